/**
 * The flags of the constraint, as `treat` and `table` take them, and `profile` and `study sweep` in
 * their own ways; and the constraint that they ask for.
 */

import type { DataSet } from "../engine/data/dataset.ts";
import type { Constraint, Term } from "../engine/doctor/constraint.ts";
import { type FormName, formOf, formsOf } from "../engine/doctor/forms/forms.ts";
import { resolveLayers } from "../engine/doctor/layers.ts";
import { defaultWeight } from "../engine/doctor/leverage.ts";
import type { TermName } from "../engine/doctor/terms.ts";
import type { Module } from "../engine/nn/module.ts";
import type { Option, OptionTable } from "../engine/options.ts";
import { COURSES, type Schedule } from "../engine/train/schedule.ts";
import { diagnosisFlags, MAX_EPOCHS, MAX_WEIGHT } from "./common.ts";
import { flagTable, type Values } from "./framework/flags.ts";
import { needs } from "./framework/rules.ts";

/** The forms that a term can have, and the weight of each where none is given. */
const names = (term: TermName) => formsOf(term).map(({ name }) => name);
const weights = (term: TermName) =>
  formsOf(term).map((form) => `${form[term]!.weight} for ${form.name}`).join(", ");
const explained = (term: TermName) =>
  formsOf(term).map(({ name, help }) => `${name}, ${help}`).join("; ");

/** Where the space-wise term is, unless its form belongs elsewhere. */
const SPACE_LAYERS = ["last"];
const otherLayers = (term: TermName) =>
  formsOf(term).map(({ name, [term]: of }) => of!.layers ? `; ${of!.layers} for ${name}` : "")
    .join("");

/** Of each term its form, weight and layers. */
export const termFlags = flagTable({
  form: {
    type: "choice",
    choices: names("channel"),
    default: "paper",
    need: needs.nonzero("alpha"),
    help: `the form of the channel-wise constraint: ${explained("channel")}`,
  },
  alpha: {
    type: "number",
    min: 0,
    max: MAX_WEIGHT,
    help: `weight of the channel-wise constraint (default ${weights("channel")})`,
  },
  layer: diagnosisFlags.layer,
  spaceForm: {
    type: "choice",
    choices: names("space"),
    default: "share",
    need: needs.nonzero("beta"),
    help: `the form of the space-wise constraint: ${explained("space")}`,
  },
  beta: {
    type: "number",
    min: 0,
    max: MAX_WEIGHT,
    help: `weight of the space-wise constraint, which needs masks (default ${weights("space")}; ` +
      "0 where the data has no masks or the head sees only the mean of its map)",
  },
  spaceLayer: {
    type: "list",
    of: "string",
    need: needs.nonzero("beta"),
    help: "the layers of the space-wise constraint, named as for --layer " +
      `(default ${SPACE_LAYERS}${otherLayers("space")})`,
  },
});

/** Of each term how strong it is over the epochs. */
const scheduleFlags = flagTable({
  warmup: {
    type: "number",
    min: 0,
    max: MAX_EPOCHS,
    default: 0,
    help: "further epochs over which the constraint grows to its weight",
  },
  course: {
    type: "choice",
    choices: COURSES,
    default: "constant",
    help: "what its weight does then: stay, or fall to zero along a cosine",
  },
  spaceWarmup: {
    type: "number",
    min: 0,
    max: MAX_EPOCHS,
    need: needs.nonzero("beta"),
    help: "the same as --warmup for the space-wise constraint (default as --warmup)",
  },
  spaceCourse: {
    type: "choice",
    choices: COURSES,
    need: needs.nonzero("beta"),
    help: "the same as --course for the space-wise constraint (default as --course)",
  },
});

export const constraintFlags = flagTable({ ...termFlags, ...scheduleFlags });

type Given = Values<typeof termFlags> & Partial<Values<typeof scheduleFlags>>;

/**
 * The constraint that the flags ask for.
 * @param features the map that feeds the head
 * @throws UserError (usage) for a layer that is none
 */
export function constraintOf(
  flags: Given,
  network: Module,
  set: DataSet,
  features: string,
): Constraint {
  const { warmup = 0, course = "constant" } = flags;
  const { spaceWarmup = warmup, spaceCourse = course } = flags;
  const term = (
    name: TermName,
    weight: number | undefined,
    form: FormName,
    layers: readonly string[],
    schedule: Schedule,
  ): Term => {
    const wanted = { form, layers: resolveLayers(network, layers, features), schedule };
    return { ...wanted, weight: weight ?? defaultWeight(network, set, name, wanted, features) };
  };
  const { form, alpha, layer, spaceForm, beta } = flags;
  const { spaceLayer = formOf("space", spaceForm).layers ?? SPACE_LAYERS } = flags;
  const schedule = { warmup: spaceWarmup, course: spaceCourse };
  return {
    channel: term("channel", alpha, form, layer, { warmup, course }),
    space: term("space", beta, spaceForm, spaceLayer, schedule),
  };
}

/** A flag as a list of values to be tried; of a list, several together are written a+b. */
type Searched<F> = F extends { type: "number" | "integer" }
  ? { type: "list"; of: F["type"] } & Kept<F>
  : { type: "list"; of: "string" } & Kept<F>;
type Kept<F> =
  & { help: string; choices?: readonly string[] }
  & (F extends { default: unknown } ? { default: never[] } : unknown);

/** Flags as lists of values to be tried. */
export function searched<T extends OptionTable>(flags: T) {
  const lists = Object.entries(flags).map(([key, flag]) => [key, listOf(flag)] as const);
  return Object.fromEntries(lists) as { readonly [Key in keyof T]: Searched<T[Key]> };
}

function listOf(flag: Option) {
  const { default: value, check: _, ...rest } = flag;
  const first = value === undefined ? {} : { default: [joined(value)] };
  const of = flag.type === "number" || flag.type === "integer" ? flag.type : "string";
  const together = flag.type === "list" ? { check: joinsDistinct } : {};
  return { ...rest, ...first, ...together, type: "list", of };
}

/** What is wrong with values that are several together. */
const joinsDistinct = (values: readonly string[]): string | undefined => {
  const isRight = values.map((value) => value.split("+"))
    .every((names) => !names.includes("") && new Set(names).size === names.length);
  return isRight ? undefined : "joins different names by +";
};

const joined = (value: unknown) => Array.isArray(value) ? value.join("+") : value;

/** One of the values of each flag, as the flags themselves would have it. */
export function chosen<T extends OptionTable>(
  flags: T,
  settings: Readonly<Record<string, string | number>>,
): Values<T> {
  const values = Object.entries(settings).filter(([key]) => key in flags).map(([key, value]) => [
    key,
    flags[key].type === "list" ? String(value).split("+") : value,
  ]);
  return Object.fromEntries(values);
}
