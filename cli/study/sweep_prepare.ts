/** What a sweep is made of, and whether it can be done. */

import {
  armOf,
  armOptions,
  armsOf,
  requireArms,
  usualArmOptions,
} from "../../engine/doctor/arms/arms.ts";
import { CONTROL } from "../../engine/doctor/contrasts.ts";
import { OFF } from "../../engine/doctor/constraint.ts";
import { checkTreatment } from "../../engine/doctor/stages.ts";
import type { Treatment } from "../../engine/doctor/treatment.ts";
import { ARM_AXIS, type Cell, cellsOf, type Tried } from "../../engine/doctor/studies/cells.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import type { Runtime } from "../../engine/plan/runtime.ts";
import { openData } from "../data.ts";
import { openModel } from "../open_model.ts";
import { constraintOf } from "../constraint_flags.ts";
import type { Context } from "../framework/command.ts";
import { warnOfSeen } from "../trained_with.ts";
import { requireRoomFor } from "../treatment.ts";
import { fittingWeights, openWeightsFile } from "../weights.ts";
import { chosen } from "./searched.ts";
import { gridOf, searchable, type SweepArgs } from "./sweep_flags.ts";

/** What is searched, and in which network and data. */
export type Sweep = Awaited<ReturnType<typeof prepareSweep>>;

export async function prepareSweep(
  args: SweepArgs,
  { signal, print }: Context,
  resumed: string | undefined,
) {
  const opened = args.weights === undefined ? undefined : await openWeightsFile(args.weights);
  const set = await warnOfSeen(await openData(args, signal, resumed), args);
  const { network, entry } = await openModel(args, set, args.seed);
  const weights = opened && fittingWeights(opened, network, set, print);
  const treatmentOf = (settings: Cell["settings"]): Treatment => {
    const { theta, imagesPerClass, ...of } = chosen(searchable, settings);
    const constraint = constraintOf(of, network, set, entry.featureLayer);
    return { constraint, theta, imagesPerClass };
  };
  const triedOf = (settings: Cell["settings"]): Tried => {
    const [arm] = armsOf([`${settings[ARM_AXIS]}`]).filter((name) => name !== CONTROL);
    const options = { ...usualArmOptions, ...chosen(armOptions, settings) };
    const treatment = armOf(arm).isConstrained ? treatmentOf(settings) : UNTREATED;
    return { arm, treatment, options };
  };
  const grid = gridOf(args);
  return { set, network, weights, grid, cells: cellsOf(grid, triedOf) };
}

/**
 * Finds out before anything is trained what can't be done.
 * @param runtime where it is done in this process: whether it has room
 */
export function checkSweep(
  { set, network, weights, cells }: Sweep,
  args: SweepArgs,
  runtime: Runtime | undefined,
): void {
  if (cells.length === 0) {
    throw new UserError(
      "with every --alpha and --beta 0 there is nothing to compare with the control",
      ExitCode.usage,
      "name weights to try, such as --alpha 0.1,1",
    );
  }
  const usesMasks = cells.some(({ arm, treatment: { constraint } }) =>
    constraint.space.weight > 0 || armOf(arm).needs.includes("masks")
  );
  if (args.masks !== undefined && !usesMasks) {
    throw new UserError(
      "--masks has no effect: every weight of the space-wise constraint is 0",
      ExitCode.usage,
      "name weights to try, such as --beta 1",
    );
  }
  const steps = new Map<string, Cell>();
  for (const cell of cells) {
    const { arm, treatment: { constraint } } = cell;
    if (armOf(arm).isConstrained) checkTreatment(network, set, { constraint, weights });
    requireArms([arm], { network, set, constraint });
    steps.set(stepOf(cell), cell);
  }
  for (const { arm, treatment: { constraint } } of runtime ? steps.values() : []) {
    requireRoomFor({ network, set, options: { ...args, arms: [arm], constraint } }, runtime!);
  }
}

/** What tells the plans of two cells' steps apart, as far as memory goes. */
const stepOf = ({ arm, treatment: { constraint: { channel, space } } }: Cell): string =>
  JSON.stringify([
    arm,
    ...[channel, space].map(({ form, layers, weight }) => weight > 0 && [form, layers]),
  ]);

/** What an arm without the constraint is treated by. */
const UNTREATED: Treatment = {
  ...{ constraint: { channel: OFF, space: OFF }, theta: 0, imagesPerClass: 1 },
};
