/**
 * The flags of the constraint, as `treat` and `table` take them, and `profile` and `study sweep` in
 * their own ways; and the constraint that they ask for.
 */

import type { DataSet } from "../engine/data/dataset.ts";
import type { Constraint, Term } from "../engine/doctor/constraint.ts";
import type { FormTerm } from "../engine/doctor/forms/form.ts";
import { type FormName, formOf, formsOf } from "../engine/doctor/forms/forms.ts";
import { resolveLayers } from "../engine/doctor/layers.ts";
import { defaultWeight } from "../engine/doctor/leverage.ts";
import type { TermName } from "../engine/doctor/terms.ts";
import type { Module } from "../engine/nn/module.ts";
import type { AllValues, Need } from "../engine/options.ts";
import { ALWAYS, COURSES, type Schedule } from "../engine/train/schedule.ts";
import { diagnosisFlags } from "./kernel_flags.ts";
import { MAX_EPOCHS, MAX_WEIGHT } from "./train_flags.ts";
import { flagTable, type Values } from "./framework/flags.ts";
import { needs } from "./framework/rules.ts";

const names = (term: TermName) => formsOf(term).map(({ name }) => name);
const explained = (term: TermName) =>
  formsOf(term).map(({ name, help }) => `${name}, ${help}`).join("; ");
/** What each form of a term has where nothing is asked for; those without it are left out. */
const defaults = (term: TermName, of: (form: FormTerm) => unknown) =>
  formsOf(term).flatMap((form) => {
    const value = of(form[term]!);
    return value === undefined ? [] : `${value} for ${form.name}`;
  });
const weights = (term: TermName) =>
  defaults(term, ({ weight, relative }) => relative ? undefined : weight).join(", ");
const usualRatios = (term: TermName) => {
  const usual = defaults(term, ({ weight, relative }) => relative ? weight : undefined);
  return usual.length > 0 ? ` (default ${usual.join(", ")})` : "";
};

/** Where the space-wise term is, unless its form belongs elsewhere. */
const SPACE_LAYERS = ["last"];

/** That a term is not weighed by 0. */
const weighs = (weight: string, kappa: string): Need => ({
  otherwise: needs.nonzero(weight).otherwise,
  holds: (values) => needs.nonzero(values[kappa] === undefined ? weight : kappa).holds(values),
});
const inChannels = weighs("alpha", "alphaKappa");
const inSpace = weighs("beta", "betaKappa");
const inEither: Need = {
  otherwise: "where --alpha and --beta are 0",
  holds: (values) => inChannels.holds(values) || inSpace.holds(values),
};

/** Of each term its form, weight and layers. */
export const termFlags = flagTable({
  form: {
    type: "choice",
    choices: names("channel"),
    default: "paper",
    need: inChannels,
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
    need: inSpace,
    help: `the form of the space-wise constraint: ${explained("space")}`,
  },
  beta: {
    type: "number",
    min: 0,
    max: MAX_WEIGHT,
    help: `weight of the space-wise constraint (default ${weights("space")}; 0 where the form ` +
      "needs masks that the data lacks or the head sees only the mean of its map)",
  },
  spaceLayer: {
    type: "list",
    of: "string",
    need: inSpace,
    help: "the layers of the space-wise constraint, named as for --layer (default " +
      `${[SPACE_LAYERS, ...defaults("space", ({ layers }) => layers)].join("; ")})`,
  },
});

/** Weights as ratios; see engine/doctor/ratio.ts. */
const ratioFlags = flagTable({
  alphaKappa: {
    type: "number",
    min: 0,
    max: MAX_WEIGHT,
    need: needs.absent("alpha"),
    help: "in the place of --alpha: the weight by which the channel-wise constraint is so many " +
      `times the cross entropy as the training starts${usualRatios("channel")}`,
  },
  betaKappa: {
    type: "number",
    min: 0,
    max: MAX_WEIGHT,
    need: needs.absent("beta"),
    help: `the same in the place of --beta${usualRatios("space")}`,
  },
});

const grownBefore = (warmup: string, until: string) => (values: AllValues) =>
  Number(values[warmup]) >= Number(values[until] ?? 1)
    ? "has the constraint off before it has grown to its weight"
    : undefined;
const OF_RATIOS = "where the weight is a --..-kappa by default";

/** Of each term how strong it is over the epochs. */
const scheduleFlags = flagTable({
  warmup: {
    type: "number",
    min: 0,
    max: MAX_EPOCHS,
    need: inEither,
    help: "further epochs over which the constraint grows to its weight (default 0)",
  },
  warmupShare: {
    type: "number",
    min: 0,
    max: 1,
    need: needs.absent("warmup"),
    rule: grownBefore("warmupShare", "until"),
    help: `the same as a share of the further epochs (default 0.2 ${OF_RATIOS})`,
  },
  course: {
    type: "choice",
    choices: COURSES,
    need: inEither,
    help: "what its weight does then: stay, or fall to zero along a cosine (default constant)",
  },
  until: {
    type: "number",
    above: 0,
    max: 1,
    need: inEither,
    help: `the share of the further epochs after which it is off (default 1, 0.9 ${OF_RATIOS})`,
  },
  spaceWarmup: {
    type: "number",
    min: 0,
    max: MAX_EPOCHS,
    need: inSpace,
    help: "the same as --warmup for the space-wise constraint (default as --warmup)",
  },
  spaceWarmupShare: {
    type: "number",
    min: 0,
    max: 1,
    need: needs.absent("spaceWarmup"),
    rule: grownBefore("spaceWarmupShare", "spaceUntil"),
    help: "the same as --warmup-share for the space-wise constraint (default as --warmup-share)",
  },
  spaceCourse: {
    type: "choice",
    choices: COURSES,
    need: inSpace,
    help: "the same as --course for the space-wise constraint (default as --course)",
  },
  spaceUntil: {
    type: "number",
    above: 0,
    max: 1,
    need: inSpace,
    help: "the same as --until for the space-wise constraint (default as --until)",
  },
});

export const constraintFlags = flagTable({ ...termFlags, ...ratioFlags, ...scheduleFlags });

type Given =
  & Values<typeof termFlags>
  & Partial<Values<typeof ratioFlags> & Values<typeof scheduleFlags>>;

/** What the flags ask of a term. */
interface Asked {
  readonly form: FormName;
  readonly weight?: number;
  readonly kappa?: number;
  readonly layers: readonly string[];
  /** Those that were asked for, the ones that count most first. */
  readonly warmups: readonly (Schedule["warmup"] | undefined)[];
  readonly course?: Schedule["course"];
  readonly until?: number;
}

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
  const term = (name: TermName, asked: Asked): Term => {
    const { form, weight, kappa } = asked;
    const of = formOf(name, form);
    const wanted = {
      form,
      layers: resolveLayers(network, asked.layers, features),
      schedule: scheduleOf(asked, of),
    };
    const decided = weight ?? kappa ?? defaultWeight(network, set, name, wanted, features);
    const isRatio = weight === undefined && (kappa !== undefined || of.relative);
    return { ...wanted, weight: decided, ...isRatio && decided !== 0 && { relative: true } };
  };
  const { form, alpha, alphaKappa, layer, warmup, warmupShare, course, until } = flags;
  const { spaceForm, beta, betaKappa, spaceWarmup, spaceWarmupShare } = flags;
  const { spaceLayer = formOf("space", spaceForm).layers ?? SPACE_LAYERS } = flags;
  const { spaceCourse = course, spaceUntil = until } = flags;
  const warmups = [warmup, shareOf(warmupShare)];
  return {
    channel: term("channel", {
      ...{ form, weight: alpha, kappa: alphaKappa, layers: layer, warmups, course, until },
    }),
    space: term("space", {
      ...{ form: spaceForm, weight: beta, kappa: betaKappa, layers: spaceLayer },
      warmups: [spaceWarmup, shareOf(spaceWarmupShare), ...warmups],
      ...{ course: spaceCourse, until: spaceUntil },
    }),
  };
}

const shareOf = (share: number | undefined) => share === undefined ? undefined : { share };

/** What was asked for, and for the rest what the form has. */
function scheduleOf({ warmups, course, until }: Asked, { schedule = ALWAYS }: FormTerm): Schedule {
  const end = until ?? schedule.until;
  return {
    warmup: warmups.find((warmup) => warmup !== undefined) ?? schedule.warmup,
    course: course ?? schedule.course,
    ...end !== undefined && end < 1 && { until: end },
  };
}
