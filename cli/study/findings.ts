/** How often a diagnosis finds what is wrong, and how often what isn't. */

import { fileExists, readVersioned } from "../../engine/io/files.ts";
import { FAULTS, shapes } from "../../engine/doctor/studies/faults.ts";
import {
  PLANTED_VERSION,
  type PlantedCase,
  plantedCase,
  type PlantedFile,
  plantedSchema,
  talliesOf,
} from "../../engine/doctor/studies/planted.ts";
import { FINDINGS, FINDINGS_FILE } from "../../engine/doctor/findings/findings.ts";
import type { RunFolder } from "../../engine/run/run_folder.ts";
import type { TrainProgress } from "../../engine/train/options.ts";
import { adviseResume, openRun } from "../open_run.ts";
import { kernelFlags } from "../kernel_flags.ts";
import { MAX_EPOCHS, MAX_IMAGES, seedsFlag, trainFlags } from "../train_flags.ts";
import { modelFlags } from "../model_flags.ts";
import { openModel } from "../open_model.ts";
import { percent, WIDTH, wrap } from "../../engine/prose.ts";
import { StageBars } from "../stage_bars.ts";
import { defineCommand } from "../framework/command.ts";
import { openRuntime } from "../exact.ts";
import { flagTable, type Values } from "../framework/flags.ts";
import { table } from "../framework/table.ts";

const { limit: _, ...training } = trainFlags;

const flags = flagTable({
  ...modelFlags,
  data: {
    type: "choice",
    choices: ["shapes"],
    default: "shapes",
    help: "what faults are planted in",
  },
  faults: {
    type: "list",
    of: "string",
    choices: FAULTS.map(({ name }) => name),
    default: FAULTS.map(({ name }) => name),
    help: `what is planted: ${FAULTS.map(({ name, words }) => `${name} (${words})`).join(", ")}`,
  },
  images: {
    type: "integer",
    min: 200,
    max: MAX_IMAGES,
    default: 4000,
    help: "images to train on, those to validate on included",
  },
  epochs: { type: "integer", min: 1, max: MAX_EPOCHS, default: 5, help: "epochs" },
  ...kernelFlags,
  ...training,
  ...seedsFlag(3, "how many seeds, from --seed on"),
});

const FILE = "planted.json";

export const command = defineCommand({
  name: "study findings",
  summary: "How often a diagnosis finds what is wrong, and how often what isn't",
  description:
    "Plants faults into data that is sound, or into the trained network, trains on each and " +
    "diagnoses it like any other. Tells how often each finding is made where its fault was " +
    "planted, and how often where it was not. Writes planted.json and of every case its findings.",
  flags,
  examples: [
    { args: "", does: "every fault, with three seeds" },
    { args: "--faults none,labels --seeds 10", does: "wrong labels against none" },
  ],
  async run(given, context) {
    const gpu = await context.gpu();
    const { args, open } = await openRun("study findings", flags, given, context);
    const folder = await open();
    const cases = await casesIn(folder);
    const bars = new StageBars(context);
    try {
      for (const [fault, seed] of casesOf(args)) {
        if (cases.some((of) => of.fault === fault.name && of.seed === seed)) continue;
        const runtime = openRuntime(gpu, args);
        const { file, ...found } = await plantedCase(
          runtime,
          fault,
          shapes,
          seed,
          async (set) => {
            const { network, entry } = await openModel(args, set, seed);
            return { network, featureLayer: entry.featureLayer };
          },
          args,
          { signal: context.signal, onProgress: trained(`${fault.name}, seed ${seed}`, bars) },
        );
        runtime.destroy();
        bars.abandon();
        context.print(describeCase(found));
        cases.push(found);
        await folder.writeJson(`${fault.name}-${seed}.${FINDINGS_FILE}`, file);
        await folder.writeJson(FILE, fileOf(args.model, cases));
      }
    } catch (error) {
      bars.abandon();
      adviseResume("study findings", folder, context, error);
      throw error;
    }
    context.print(`\n${describe(cases)}`);
    context.print(`\nwritten to ${folder.path}`);
  },
});

/** The cases that are there already, in a study that is gone on with. */
async function casesIn(folder: RunFolder): Promise<PlantedCase[]> {
  const path = folder.file(FILE);
  if (!await fileExists(path)) return [];
  return [...(await readVersioned(path, PLANTED_VERSION, plantedSchema)).cases];
}

/** Every fault with every seed, seed by seed. */
const casesOf = (
  { seed, seeds, faults }: Pick<Values<typeof flags>, "seed" | "seeds" | "faults">,
) =>
  Array.from({ length: seeds }, (_, i) => seed + i).flatMap((seed) =>
    FAULTS.filter(({ name }) => faults.includes(name)).map((fault) => [fault, seed] as const)
  );

/** A training as one line. */
const trained = (what: string, bars: StageBars) => (progress: TrainProgress): void => {
  const { epoch, epochs, step, steps, batch } = progress;
  bars.looked(what, ((epoch - 1) * steps + step) * batch, epochs * steps * batch);
};

const fileOf = (model: string, cases: readonly PlantedCase[]): PlantedFile => ({
  ...{ version: PLANTED_VERSION, model, cases, tallies: talliesOf(cases) },
});

const describeCase = ({ fault, seed, accuracy, found }: PlantedCase): string =>
  wrap(
    `${fault}, seed ${seed}: ${percent(accuracy, 1)} right; found: ${
      found.join(", ") || "nothing"
    }`,
    WIDTH,
    "  ",
  );

/** Cases in which each finding was made, by fault; and what that says of the findings. */
export function describe(cases: readonly PlantedCase[]): string {
  const rows = FAULTS.flatMap(({ name }) => {
    const of = cases.filter(({ fault }) => fault === name);
    if (of.length === 0) return [];
    const made = FINDINGS.map((finding) => of.filter(({ found }) => found.includes(finding.name)));
    return [[name, `${of.length}`, ...made.map(({ length }) => `${length}`)]];
  });
  const lines = talliesOf(cases).map(({ finding, found, planted, seen, absent }) =>
    `${finding}: found in ${found} of ${planted} cases where it was planted, ` +
    `seen in ${seen} of ${absent} where it was not`
  );
  return [
    table(["planted", "cases", ...FINDINGS.map(({ name }) => name)], rows),
    "",
    ...lines.map((line) => wrap(line, WIDTH, "  ")),
  ].join("\n");
}
