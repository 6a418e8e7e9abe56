/** Which settings of an arm gain over the control, on the validation split. */

import { ACCOUNT, accountOf } from "../../engine/data/account.ts";
import { trainingSplits } from "../../engine/data/dataset.ts";
import {
  armOf,
  armOptions,
  ARMS,
  armsOf,
  requireArms,
  usualArmOptions,
} from "../../engine/doctor/arms/arms.ts";
import { CONTROL, TREATED } from "../../engine/doctor/contrasts.ts";
import { OFF } from "../../engine/doctor/constraint.ts";
import { checkTreatment, Stages } from "../../engine/doctor/stages.ts";
import { imagesAtATime, type Treatment } from "../../engine/doctor/treatment.ts";
import {
  ARM_AXIS,
  type Cell,
  cellsOf,
  type Grid,
  type Tried,
  triesOf,
} from "../../engine/doctor/studies/cells.ts";
import {
  type CellResult,
  rankCells,
  SWEEP_VERSION,
  type SweepFile,
  sweepSeed,
} from "../../engine/doctor/studies/sweep.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import type { Need } from "../../engine/options.ts";
import { initialize } from "../../engine/nn/state.ts";
import { FINISHED_BEFORE } from "../../engine/run/stage.ts";
import {
  adviseResume,
  dataFlags,
  diagnosisFlags,
  introduce,
  kernelFlags,
  masksFlag,
  modelFlags,
  openData,
  openModel,
  openRun,
  seedsFlag,
  StageBars,
  trainFlags,
} from "../common.ts";
import { describeAccount } from "../account.ts";
import { constraintFlags, constraintOf } from "../constraint_flags.ts";
import { openRuntime } from "../exact.ts";
import { describeParts } from "../parts.ts";
import { defineCommand } from "../framework/command.ts";
import { flagTable, type Values } from "../framework/flags.ts";
import { needs } from "../framework/rules.ts";
import { chosen, searched } from "./searched.ts";
import { describeSweep, writeSweep } from "./sweep_tables.ts";
import { warnOfSeen } from "../trained_with.ts";
import { furtherFlags } from "../treat_flags.ts";
import { requireRoomFor, treatForecast } from "../treatment.ts";
import { fittingWeights, openWeightsFile } from "../weights.ts";

/** The flags that are searched: each takes a list of values. */
const searchable = { ...constraintFlags, ...kernelFlags };
const lists = searched({ ...searchable, ...armOptions });
const { noise, noiseCopies } = diagnosisFlags;

/** The weights that are tried where nothing is asked for. */
const WEIGHTS = { alpha: [0.1, 1, 10], beta: [0] };
/** That of a weight nothing is asked for, so that a ratio can be. */
const inPlaceOf = (weight: keyof typeof WEIGHTS): Need => ({
  ...needs.absent(weight),
  holds: (values) => String(values[weight]) === String(WEIGHTS[weight]),
});

const flags = flagTable({
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
});
type Args = Values<typeof flags>;

export const command = defineCommand({
  name: "study sweep",
  summary: "Search for settings that gain over the control",
  description:
    "Trains a baseline on in every combination of the settings given, and compares each with the " +
    "control on the validation split alone; the test set is not touched. The flags of the " +
    "constraint and of the arms are those of deno task treat, each a list of values here; several " +
    "layers together are written a+b. Where several arms are searched, each should have as many " +
    "tries; how many it has is printed. Ctrl-C stops it; --resume goes on with the first combination that is not finished. " +
    "Writes sweep.json, sweep.csv, and a curve for each setting with several values as .svg.",
  flags,
  examples: [
    { args: "--alpha 0.1,1,10 --seeds 3", does: "three weights, with an interval" },
    {
      args: "--alpha 0 --beta 0.3,1,3 --space-layer input,features.0,features.4",
      does: "the space-wise share, by layer and weight",
    },
    {
      args: "--arms treated,placebo,sam --alpha 0.1,1,10 --sam-rho 0.02,0.05,0.1",
      does: "three tries for each of three arms",
    },
  ],
  async run(given, context) {
    const gpu = await context.gpu();
    const { args, resumed, open } = await openRun("study sweep", flags, given, context);
    const opened = args.weights === undefined ? undefined : await openWeightsFile(args.weights);
    const set = await warnOfSeen(await openData(args, context.signal, resumed?.path), args);
    const { network, entry } = await openModel(args, set, args.seed);
    const weights = opened && fittingWeights(opened, network, set, context.print);
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
    const cells = cellsOf(grid, triedOf);
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
    const runtime = openRuntime(gpu, args);
    const steps = new Map<string, Cell>();
    for (const cell of cells) {
      const { arm, treatment: { constraint } } = cell;
      if (armOf(arm).isConstrained) checkTreatment(network, set, { constraint, weights });
      requireArms([arm], { network, set, constraint, microBatch: args.microBatch });
      steps.set(stepOf(cell), cell);
    }
    for (const { arm, treatment: { constraint } } of steps.values()) {
      requireRoomFor({ network, set, options: { ...args, arms: [arm], constraint } }, runtime);
    }
    const folder = await open();
    introduce(context.print, args.model, network, set, gpu.adapter.name, folder.path);
    describeParts(context.print, network, args);
    const { train: training, validation } = trainingSplits(set, args);
    const account = accountOf(set, { training, validation });
    context.print(describeAccount(account));
    await folder.writeJson(ACCOUNT, account);
    const seeds = Array.from({ length: args.seeds }, (_, i) => args.seed + i);
    context.print(
      `cells    ${cells.length}, with ${
        seeds.length === 1 ? "one seed" : `${seeds.length} seeds`
      } each${triesInWords(cells)}`,
    );

    const results: CellResult[] = [];
    const bars = new StageBars(
      context,
      treatForecast(
        args,
        ["control", ...cells.map(({ name }) => name)],
        seeds.length,
        (stage) => cells.find(({ name }) => name === stage)?.arm ?? stage,
      ),
    );
    try {
      for (const [i, seed] of seeds.entries()) {
        const part = await folder.part(`seed-${seed}`, { command: "study sweep part", seed });
        initialize(network, seed);
        const settings = { ...args, seed, weights };
        const stages = new Stages(runtime, network, set, part, settings, {
          signal: context.signal,
          stage: (name, what) => {
            bars.stage(name, what);
            if (!name.startsWith("diagnose")) context.print(`\n${name}: ${what}`);
          },
          progress: (stage, progress) => bars.progress(stage, progress),
          epoch: (record) => bars.epoch(record),
          looked: (stage, done, total) => bars.looked(stage, done, total),
          note: () => {},
        });
        results.push(
          ...await sweepSeed(stages, part, {
            ...{ cells, seed, batch: imagesAtATime(args) },
            skip: ({ name }) => bars.stage(name, FINISHED_BEFORE),
            begin: (_, k) =>
              context.print(
                `\nseed ${seed}, cell ${k + 1 + i * cells.length} of ${
                  cells.length * seeds.length
                }`,
              ),
          }),
        );
        await part.leave();
        runtime.destroy();
      }
    } catch (error) {
      bars.abandon();
      adviseResume("study sweep", folder, context, error);
      throw error;
    }
    const file: SweepFile = {
      version: SWEEP_VERSION,
      ...{ model: args.model, data: set.name, seeds, grid },
      cells: rankCells(cells, results),
    };
    await writeSweep(folder, file);
    context.print(`\n${describeSweep(file)}`);
    context.print(`\nwritten to ${folder.file("sweep.json")}`);
  },
});

/** What tells the plans of two cells' steps apart, as far as memory goes. */
const stepOf = ({ arm, treatment: { constraint: { channel, space } } }: Cell): string =>
  JSON.stringify([
    arm,
    ...[channel, space].map(({ form, layers, weight }) => weight > 0 && [form, layers]),
  ]);

/** The values of every setting that is searched; those of which none is given follow others. */
function gridOf(args: Args): Grid {
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

/** What an arm without the constraint is treated by. */
const UNTREATED: Treatment = {
  ...{ constraint: { channel: OFF, space: OFF }, theta: 0, imagesPerClass: 1 },
};

/** How many tries each arm has, where there are several. */
function triesInWords(cells: readonly Cell[]): string {
  const tries = triesOf(cells);
  if (tries.size === 1) return "";
  const words = [...tries].map(([arm, count]) => `${arm} ${count}`).join(", ");
  const isFair = new Set(tries.values()).size === 1;
  return `: ${words}` +
    (isFair ? "" : "\nwarning  not as many tries for each arm: more of them find more by chance");
}
