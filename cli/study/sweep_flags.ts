/** The flags of `study sweep`, and the grid that they span. */

import { armOf, armOptions, ARMS } from "../../engine/doctor/arms/arms.ts";
import { CONTROL, TREATED } from "../../engine/doctor/contrasts.ts";
import { ARM_AXIS, type Grid } from "../../engine/doctor/studies/cells.ts";
import type { Need } from "../../engine/options.ts";
import { placeFlags } from "../cells/flags.ts";
import { dataFlags, masksFlag } from "../data.ts";
import { diagnosisFlags, kernelFlags } from "../kernel_flags.ts";
import { modelFlags } from "../model_flags.ts";
import { seedsFlag, trainFlags } from "../train_flags.ts";
import { constraintFlags } from "../constraint_flags.ts";
import { flagTable, type Values } from "../framework/flags.ts";
import { needs } from "../framework/rules.ts";
import { furtherFlags } from "../treat_flags.ts";
import { searched } from "./searched.ts";

/** The flags that are searched: each takes a list of values. */
export const searchable = { ...constraintFlags, ...kernelFlags };
const lists = searched({ ...searchable, ...armOptions });
const { noise, noiseCopies } = diagnosisFlags;

/** The weights that are tried where nothing is asked for. */
const WEIGHTS = { alpha: [0.1, 1, 10], beta: [0] };
/** That of a weight nothing is asked for, so that a ratio can be. */
const inPlaceOf = (weight: keyof typeof WEIGHTS): Need => ({
  ...needs.absent(weight),
  holds: (values) => String(values[weight]) === String(WEIGHTS[weight]),
});

export const sweepFlags = flagTable({
  ...modelFlags,
  ...dataFlags,
  ...masksFlag,
  ...furtherFlags,
  ...trainFlags,
  ...lists,
  alpha: { ...lists.alpha, default: WEIGHTS.alpha },
  alphaKappa: { ...lists.alphaKappa, need: inPlaceOf("alpha") },
  beta: { ...lists.beta, default: WEIGHTS.beta },
  betaKappa: { ...lists.betaKappa, need: inPlaceOf("beta") },
  arms: {
    type: "list",
    of: "string",
    choices: ARMS.map(({ name }) => name).filter((name) => name !== CONTROL),
    what: "arm",
    default: [TREATED],
    help: "the arms whose settings are searched, each by its own flags; all are held against the " +
      "control (deno task treat --help tells what they are)",
  },
  ...{ noise, noiseCopies },
  ...seedsFlag(1, "seeds: --seed, the next one and so on"),
  ...placeFlags,
});
export type SweepArgs = Values<typeof sweepFlags>;

/** The values of every setting that is searched; those of which none is given follow others. */
export function gridOf(args: SweepArgs): Grid {
  const replaced = [args.alphaKappa && "alpha", args.betaKappa && "beta"];
  const constrained = args.arms.some((arm) => armOf(arm).isConstrained)
    ? (Object.keys(searchable) as (keyof typeof searchable)[])
      .filter((axis) => !replaced.includes(axis))
    : [];
  const own = args.arms.flatMap((arm) => Object.keys(armOf(arm).options));
  const values: Readonly<Record<string, unknown>> = args;
  const given = [...constrained, ...own].flatMap((axis) =>
    values[axis] === undefined ? [] : [[axis, values[axis]]]
  );
  return { [ARM_AXIS]: args.arms, ...Object.fromEntries(given) };
}
