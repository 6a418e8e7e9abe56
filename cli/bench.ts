/** Times convolutions against the roofline, plain against treat steps, engines against each other. */

import { fileURLToPath } from "node:url";
import { ExitCode, UserError } from "../engine/errors.ts";
import { measureRoofline, type Roofline } from "../engine/gpu/roofline.ts";
import { writeFileAtomic } from "../engine/io/files.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { compareWith, readReport, requirePairs } from "./bench/compare.ts";
import { benchFaces } from "./bench/faces.ts";
import { benchPeers, openPeers } from "./bench/peers.ts";
import type { Report, Result, Summary } from "./bench/result.ts";
import { tracedShapes } from "./bench/shapes.ts";
import { benchSteps } from "./bench/steps.ts";
import { comparisonTable, facesTable, resultsTable, summariesTable } from "./bench/tables.ts";
import { modelChoices } from "./model_flags.ts";
import { type Context, defineCommand } from "./framework/command.ts";
import { flagTable, type Values } from "./framework/flags.ts";
import { Progress } from "./framework/progress.ts";
import { needs } from "./framework/rules.ts";

const SHAPES_OF = ["resnet34", "vgg16", "mobilenetv2", "squeezenet"];
const STEPS_OF = ["small", "resnet34"];
/** Milliseconds: faces are timed by the device's clock, everything else with a wait of 10. */
const FACE_WINDOW = 50, WINDOW = 300;

const flags = flagTable({
  faces: {
    type: "boolean",
    help: "convolutions against the roofline (where nothing else is asked)",
  },
  steps: { type: "boolean", help: "plain training steps and treat steps" },
  peers: { type: "boolean", help: "this engine beside jax-js and TensorFlow.js (downloads them)" },
  models: {
    type: "list",
    of: "string",
    ...modelChoices,
    what: "model",
    value: "NAMES",
    help: `whose convolutions and steps (default ${SHAPES_OF}; for --steps ${STEPS_OF})`,
    need: {
      otherwise: "with --peers alone",
      holds: ({ faces, steps, peers }) => Boolean(faces || steps || !peers),
    },
  },
  batch: {
    type: "integer",
    min: 1,
    max: 65536,
    default: 8,
    help: "images of a convolution",
    need: {
      otherwise: "with --steps alone",
      holds: ({ faces, steps, peers }) => Boolean(faces || peers || !steps),
    },
  },
  stepBatch: {
    type: "integer",
    min: 1,
    max: 65536,
    default: 32,
    help: "images of a training step",
    need: needs.anyOf("steps", "peers"),
  },
  rounds: {
    type: "integer",
    min: 1,
    max: 1000,
    default: 5,
    help: "times that each is timed; medians count",
  },
  window: {
    type: "number",
    above: 0,
    max: 60000,
    help: `milliseconds of work timed at once (default ${WINDOW}; ${FACE_WINDOW} for --faces)`,
  },
  byProcessor: {
    type: "boolean",
    help: "time the faces by the time that this process has on processors: for software adapters " +
      "on a machine that others use too; with LP_NUM_THREADS=1 the roofline is of one thread as well",
    need: {
      otherwise: "without --faces",
      holds: ({ faces, steps, peers }) => Boolean(faces || !(steps || peers)),
    },
  },
  compare: {
    type: "string",
    value: "FILE.json",
    help: "set beside the results in a file: of cli/bench/pytorch.py, or an earlier --json",
  },
  json: {
    type: "string",
    value: "FILE",
    help: "write all numbers there, every round's too",
    writes: { what: "file" },
  },
});
type Args = Values<typeof flags>;

/** Set in the process that may load the peers. */
const WITH_PEERS = "MODEL_DOCTOR_PEERS";

export const command = defineCommand({
  name: "bench",
  summary: "Time convolutions against the roofline, training steps, and peers",
  description:
    "Every face of the convolutions of four classifiers at 32 x 32 is set against what the adapter " +
    "could reach, by the peaks of arithmetic and bandwidth that are measured in the same run. " +
    "With --peers the same work is done by other engines on the same adapter, in turns. Nothing " +
    "is timed before its result was checked. Times are medians of rounds in turns, with the least " +
    "and the most; a ratio whose rounds lie on both sides of 1 is within the noise. " +
    "cli/bench/pytorch.py does the work of a --json file in PyTorch.",
  flags,
  examples: [
    { args: "", does: "the convolutions against the roofline" },
    { args: "--peers", does: "this engine beside its peers" },
    { args: "--steps --models resnet34,resnet50 --step-batch 128", does: "training steps" },
    { args: "--steps --compare pytorch.json", does: "the same beside PyTorch's" },
  ],
  async run(args, context) {
    if (args.peers && !Deno.env.has(WITH_PEERS)) {
      await context.startAgain(WITH_PEERS, [`--lock=${lockFile()}`]);
    }
    const other = args.compare === undefined ? undefined : await readReport(args.compare);
    const runtime = new Runtime(await context.gpu());
    if (args.byProcessor) requireSoftware(runtime);
    const report = await measure(args, runtime, context);
    const comparison = other && compareWith(report, other);
    const parts = [
      facesTable(report.results, report.roofline),
      resultsTable(report.results),
      summariesTable(report.summaries),
      comparison && comparisonTable(comparison, args.compare!),
    ];
    context.print(parts.filter((part) => part).join("\n\n"));
    if (args.json !== undefined) {
      const all = { ...report, comparison: comparison?.pairs };
      await writeFileAtomic(args.json, JSON.stringify(all, null, 2));
      context.print(`\nwritten to ${args.json}`);
    }
    if (comparison) requirePairs(comparison, args.compare!);
  },
});

/** @throws UserError (usage) on a GPU, whose work takes no time of processors */
function requireSoftware({ gpu }: Runtime): void {
  if (gpu.isCpu) return;
  throw new UserError(
    `--by-processor measures nothing on ${gpu.adapter.name}, which computes by itself`,
    ExitCode.usage,
    "leave it out, or take --device cpu",
  );
}

/** The peers' packages are pinned in a lock file of their own, so that nobody else loads them. */
const lockFile = () => fileURLToPath(new URL("bench/peers.lock", import.meta.url));

async function measure(args: Args, runtime: Runtime, context: Context): Promise<Report> {
  const { rounds, window = WINDOW, batch, stepBatch } = args;
  const { signal } = context;
  const turns = { rounds, window, signal };
  const results: Result[] = [];
  const summaries: Summary[] = [];
  let roofline: Roofline | undefined;
  if (args.faces || !(args.steps || args.peers)) {
    const shapes = await tracedShapes(args.models ?? SHAPES_OF, batch);
    roofline = await measureRoofline(runtime.gpu);
    const found = await withProgress(
      "faces",
      (onFace) =>
        benchFaces(runtime, roofline!, shapes, {
          ...turns,
          window: args.window ?? FACE_WINDOW,
          byProcessor: args.byProcessor,
          onFace,
        }),
    );
    results.push(...found);
  }
  if (args.steps) {
    const models = args.models ?? STEPS_OF;
    const found = await withProgress(
      "steps",
      (onModel) => benchSteps(runtime, { ...turns, models, batch: stepBatch, onModel }),
    );
    results.push(...found.results);
    summaries.push(...found.summaries);
  }
  if (args.peers) {
    const peers = await openPeers();
    const found = await withProgress(
      "peers",
      (onWork) => benchPeers(runtime, peers, { ...turns, batch, stepBatch, onWork }),
    );
    results.push(...found.results);
    summaries.push(...found.summaries);
  }
  runtime.destroy();
  return { adapter: runtime.gpu.adapter.name, system, roofline, results, summaries };
}

const system = `Deno ${Deno.version.deno}, ${Deno.build.os} ${Deno.build.arch}, ` +
  `${navigator.hardwareConcurrency} cores`;

async function withProgress<T>(
  label: string,
  work: (onProgress: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  let bar: Progress | undefined;
  try {
    const found = await work((done, total) => {
      bar ??= new Progress({ label, total });
      bar.update(done, {});
    });
    bar?.finish();
    return found;
  } catch (error) {
    bar?.abandon();
    throw error;
  }
}
