/** The arms of a trial, in one table: what follows from all of them, and how they are asked for. */

import { ExitCode, UserError } from "../../errors.ts";
import { didYouMean } from "../../nearest.ts";
import type { Need, OptionTable, Values } from "../../options.ts";
import type { Arm, ArmSite, Recipe } from "./arm.ts";
import { control } from "./control.ts";
import { decouple } from "./decouple.ts";
import { dfr } from "./dfr.ts";
import { gdro } from "./gdro.ts";
import { jtt } from "./jtt.ts";
import { mixup } from "./mixup.ts";
import { type ArmSubject, lackingOf } from "./needs.ts";
import { placebo, placeboMean } from "./placebo.ts";
import { placeboSize } from "./placebo_size.ts";
import { sam } from "./sam.ts";
import { smooth } from "./smooth.ts";
import { swa } from "./swa.ts";
import { swap } from "./swap.ts";
import { swapTreated } from "./swap_treated.ts";
import { temperature } from "./temperature.ts";
import { treated } from "./treated.ts";

/** The arms that are trained with the constraint, or a likeness of it. */
const CONSTRAINED = [treated, placebo, placeboMean, placeboSize, swapTreated] as const;

/** A new arm is a file beside this and its name here. */
export const ARMS = [
  ...[control, ...CONSTRAINED] as const,
  ...[swap, sam, swa, smooth, mixup, decouple, temperature] as const,
  ...[dfr, jtt, gdro] as const,
] as const;

type Entry = typeof ARMS[number];
export type ArmName = Entry["name"];

/** What a trial has where nothing else is asked for. */
export const USUAL_ARMS: readonly ArmName[] = ["control", "treated", "placebo"];

type Intersection<Union> = (Union extends unknown ? (of: Union) => void : never) extends
  (of: infer All) => void ? All : never;

/** The options of all arms, as a table of flags; each needs its arm among the `arms`. */
export const armOptions = Object.assign({}, ...ARMS.map(optionsOf)) as
  & Intersection<Entry["options"]>
  & OptionTable;

function optionsOf({ name, options }: Arm): OptionTable {
  const need: Need = {
    otherwise: `without ${name} among the arms`,
    holds: ({ arms }) => Array.isArray(arms) && arms.includes(name),
  };
  return Object.fromEntries(Object.entries(options).map(([key, of]) => [key, { ...of, need }]));
}

/** What the constraint's own options need where there are arms to choose. */
export const needsConstraint: Need = {
  otherwise: `without ${CONSTRAINED.map(({ name }) => name).join(" or ")} among the arms`,
  holds: ({ arms }) => !Array.isArray(arms) || CONSTRAINED.some(({ name }) => arms.includes(name)),
};

export type ArmOptions = Values<Intersection<Entry["options"]>>;

/** Every option as it is where nothing else is asked for. */
export const usualArmOptions = Object.fromEntries(
  Object.entries(armOptions as OptionTable).map(([key, option]) => [key, option.default]),
) as ArmOptions;

/** An arm whose literal types are not asked for. @throws UserError (usage) with the nearest name */
export function armOf(name: string): Arm {
  const arm = (ARMS as readonly Arm[]).find((arm) => arm.name === name);
  if (arm) return arm;
  const known = ARMS.map(({ name }) => name);
  throw new UserError(
    `there is no arm ${name}${didYouMean(name, known)}`,
    ExitCode.usage,
    `the arms are ${known.join(", ")}`,
  );
}

/** The arms of these names in their order; the control, which all are held against, is the first. */
export function armsOf(names: readonly string[]): ArmName[] {
  const others = names.map((name) => armOf(name).name as ArmName)
    .filter((name) => name !== control.name);
  return [control.name, ...others];
}

/** Why an arm can't be had on this data with this constraint; undefined where it can. */
export const lackingForArm = (name: ArmName, subject: ArmSubject): string | undefined =>
  lackingOf(armOf(name).needs, subject);

/** @throws UserError (method) that names the first arm which can't be had, and what it lacks */
export function requireArms(names: readonly ArmName[], subject: ArmSubject): void {
  for (const name of names) {
    const why = lackingForArm(name, subject);
    if (why === undefined) continue;
    throw new UserError(
      `the arm ${name} can't be had: ${why}`,
      ExitCode.method,
      "leave it out (--arms), or choose data or a constraint that it can be had with",
    );
  }
}

/** What an arm's training does otherwise than the control's. */
export const recipeOf = async (
  name: ArmName,
  site: ArmSite,
  options: ArmOptions,
): Promise<Recipe> => await armOf(name).recipe(site, options);
