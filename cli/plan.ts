/** What trainings take of a GPU, before they are begun: memory, operations, time. */

import { armOf, ARMS, armsOf, USUAL_ARMS } from "../engine/doctor/arms/arms.ts";
import { ExitCode } from "../engine/errors.ts";
import { requireBindable, showBytes } from "../engine/plan/buffers.ts";
import type { ClassifierEntry } from "../models/classifier.ts";
import { buildModel } from "./open_model.ts";
import { MAX_EPOCHS, MAX_IMAGES, seedFlag, seedsFlag } from "./train_flags.ts";
import { modelsFlag } from "./model_flags.ts";
import { constraintOf } from "./constraint_flags.ts";
import { askedTarget } from "./exact.ts";
import { type Context, defineCommand } from "./framework/command.ts";
import { flagTable, type Values } from "./framework/flags.ts";
import { duration } from "./framework/progress.ts";
import { needs } from "./framework/rules.ts";
import { table } from "./framework/table.ts";
import { wrap } from "../engine/prose.ts";
import { classifierOrFile } from "./model_file.ts";
import { microBatchFlag } from "./parts.ts";
import { type Estimate, estimate, type Refused } from "./plan/estimate.ts";
import { anyGpu, certifiedGpu, namedGpu, type PlannedMachine } from "./plan/machine.ts";
import { imagesFor, type Stage, stageFlags, STAGES, syntheticData } from "./profile/stage.ts";

const { model: _, stage: __, batch: ___, ...ofSteps } = stageFlags;

const flags = flagTable({
  ...modelsFlag("the classifiers"),
  batch: {
    type: "list",
    of: "integer",
    min: 1,
    max: 65536,
    default: [64],
    help: "images in a step; several to compare them",
  },
  ...microBatchFlag,
  stage: {
    type: "list",
    of: "string",
    choices: STAGES,
    what: "stage",
    default: [...STAGES],
    help: "a training step, one with the constraint, the evaluation of a batch",
  },
  ...ofSteps,
  images: {
    type: "integer",
    min: 1,
    max: MAX_IMAGES,
    default: 50000,
    help: "images of an epoch",
  },
  epochs: {
    type: "integer",
    min: 1,
    max: MAX_EPOCHS,
    default: 5,
    help: "of a whole treatment, the epochs of the baseline",
  },
  treatEpochs: {
    type: "integer",
    min: 1,
    max: MAX_EPOCHS,
    default: 2,
    help: "of a whole treatment, those of every arm",
  },
  arms: {
    type: "list",
    of: "string",
    choices: ARMS.map(({ name }) => name),
    what: "arm",
    default: [...USUAL_ARMS],
    help: "of a whole treatment, what is trained on from the baseline",
  },
  ...seedsFlag(1, "treatments of each model"),
  seed: { ...seedFlag.seed, help: "the first of them" },
  gpu: {
    type: "string",
    value: "NAME",
    help: 'the GPU, by a name that tells its kind: "NVIDIA H100" (none: no times)',
    need: needs.absent("certificate"),
  },
  certificate: {
    type: "string",
    value: "FILE",
    help: "the GPU as deno task certify measured it: its certificate.json",
  },
  memory: {
    type: "number",
    above: 0,
    max: 1e6,
    help: "GiB of memory that are free on it (default what the certificate says)",
  },
  bindingSize: {
    type: "number",
    above: 0,
    max: 1024,
    help:
      "GiB of the largest buffer that it binds, maxStorageBufferBindingSize in deno task info " +
      "(default 2; a certificate says its own)",
    need: needs.absent("certificate"),
  },
  json: { type: "boolean", help: "print JSON" },
});
type Args = Values<typeof flags>;

export const command = defineCommand({
  name: "plan",
  summary: "Tell memory, operations and time of trainings before they are begun",
  description:
    "Plans every step as it would be planned on the GPU, and makes nothing: bytes on the device by " +
    "what they hold, operations, and for a GPU that is named or certified the time of a step, of an " +
    "epoch and of whole treatments, as deno task table does. Times are predictions: each kernel " +
    "takes what its operations, its bytes or its dispatch take; where the certificate has measured " +
    "steps of the model, they are scaled by what those took. Reading images, validation and tests " +
    "are not counted. No GPU is needed. Where a step has no buffer or no memory, the exit code is " +
    `${ExitCode.gpu}, as that of a command that would take it.`,
  flags,
  withoutGpu: true,
  examples: [
    { args: "--models resnet34,vgg16 --batch 64,128,256", does: "memory and operations" },
    { args: "--batch 4096 --micro-batch 256", does: "of a step in sixteen parts" },
    {
      args: '--models torchvision_resnet50 --size 224 --classes 100 --batch 64 --gpu "NVIDIA H100"',
      does: "times by the figures of such GPUs",
    },
    {
      args: "--models small,resnet34 --seeds 10 --epochs 30 --certificate certificate.json",
      does: "a table's time on a GPU that was measured",
    },
  ],
  async run(args, context) {
    const on = await machineOf(args);
    const found = await estimates(args, on, context);
    const treatments = wholeTreatments(found, args);
    context.print(
      args.json
        ? JSON.stringify({ machine: on.what, memory: on.memory, steps: found, treatments }, null, 2)
        : describe(found, treatments, on, args),
    );
    const isRefused = (of: Estimate | Refused) => "refused" in of || !hasRoom(of, on);
    return found.some(isRefused) ? ExitCode.gpu : ExitCode.ok;
  },
});

async function machineOf(args: Args): Promise<PlannedMachine> {
  const { gpu, certificate, memory, bindingSize } = args;
  const binding = bindingSize && bindingSize * GIB;
  const found = certificate !== undefined
    ? await certifiedGpu(certificate)
    : gpu === undefined
    ? anyGpu(binding)
    : namedGpu(gpu, binding);
  const on = { ...found, target: askedTarget(args, found.target) };
  return memory === undefined ? on : { ...on, memory: memory * GIB };
}
const GIB = 2 ** 30;

async function estimates(args: Args, on: PlannedMachine, { signal }: Context) {
  const found: (Estimate | Refused)[] = [];
  for (const model of args.models) {
    const entry = await classifierOrFile(model);
    for (const batch of args.batch) {
      const step = { batch, microBatch: args.microBatch };
      const of = () => madeUp(entry, args, on, step.microBatch ?? batch);
      for (const stage of args.stage as Stage[]) {
        found.push(estimate({ model, stage, step, of, images: args.images }, on));
        // Ctrl-C arrives when the event loop turns.
        await new Promise((resolve) => setTimeout(resolve));
        signal.throwIfAborted();
      }
    }
  }
  return found;
}

/** The network, with images made up for it. @throws TooLarge where the GPU can't bind these */
function madeUp(entry: ClassifierEntry, args: Args, on: PlannedMachine, batch: number) {
  const images = imagesFor(entry, { ...args, size: args.size ?? entry.imageSize, batch });
  requireBindable(on.gpu, "a batch of images", 4 * batch * images.size ** 2 * images.channels);
  const set = syntheticData(images);
  const network = buildModel(entry, set, args.width, 0);
  return { set, network, constraint: constraintOf(args, network, set, entry.featureLayer) };
}

/** The hours of all treatments that the flags ask for, with a batch. */
interface Treatments {
  readonly batch: number;
  readonly models: number;
  readonly seeds: number;
  readonly hours: number;
}

/** By batch; those for which times are missing are left out. */
function wholeTreatments(
  found: readonly (Estimate | Refused)[],
  { models, batch, arms, epochs, treatEpochs, seeds }: Args,
): Treatments[] {
  return batch.flatMap((size) => {
    const secondsOf = (model: string, stage: Stage) => {
      const of = found.find((each) =>
        each.model === model && each.batch === size && each.stage === stage
      );
      return of && "epochSeconds" in of ? of.epochSeconds! : NaN;
    };
    const seconds = models.reduce((sum, model) => {
      const ofArms = armsOf(arms).map(armOf).map(({ isConstrained, cost = 1 }) =>
        isConstrained ? secondsOf(model, "treat") : cost * secondsOf(model, "train")
      );
      const further = ofArms.reduce((sum, each) => sum + each, 0);
      return sum + epochs * secondsOf(model, "train") + treatEpochs * further;
    }, 0);
    if (Number.isNaN(seconds)) return [];
    return [{ batch: size, models: models.length, seeds, hours: seeds * seconds / 3600 }];
  });
}

function describe(
  found: readonly (Estimate | Refused)[],
  treatments: readonly Treatments[],
  on: PlannedMachine,
  args: Args,
): string {
  const planned = found.filter((of): of is Estimate => "memory" in of);
  const isTimed = on.machine !== undefined;
  const rows = planned.map((of) => [
    stepOf(of),
    ...[showBytes(of.bytes) + (hasRoom(of, on) ? "" : " (no room)")],
    ...[of.memory.weights, of.memory.optimizer, of.memory.activations, of.memory.data]
      .map(showBytes),
    ...[of.gflop.toPrecision(3), of.gb.toPrecision(3), `${of.dispatches}`],
    ...isTimed
      ? [of.ms!.toPrecision(3), of.imagesPerSecond!.toFixed(0), duration(1000 * of.epochSeconds!)]
      : [],
  ]);
  const header = ["step", "memory", "weights", "optimizer", "activations", "data"]
    .concat(["GFLOP", "GB", "dispatches"])
    .concat(isTimed ? ["ms", "images/s", "epoch"] : []);
  const { epochs, treatEpochs, arms, images } = args;
  return [
    wrap(`on ${on.what}; of a step, by model, stage and batch:`),
    rows.length > 0 && table(header, rows),
    ...found.flatMap((of) => "refused" in of ? [`${stepOf(of)}: ${of.refused}`] : []),
    planned.some(({ ofPredicted }) => ofPredicted !== undefined) &&
    wrap(
      "scaled by what steps of these models took there: " +
        planned.flatMap(({ model, stage, ofPredicted }) =>
          ofPredicted === undefined ? [] : [`${model} ${stage} ${ofPredicted.toFixed(2)} x`]
        ).filter((text, i, all) => all.indexOf(text) === i).join(", "),
    ),
    treatments.map(({ batch, models, seeds, hours }) =>
      wrap(
        `all ${models * seeds} treatments (models x seeds) with batch ${batch}: ` +
          `${hoursInWords(hours)} of training on one GPU, of ${epochs} epochs of the ` +
          `baseline and ${treatEpochs} each of ${
            armsOf(arms).join(", ")
          }, ${images} images an epoch`,
      )
    ).join("\n"),
  ].filter((part) => part).join("\n\n");
}

const hoursInWords = (hours: number): string =>
  hours < 1 ? `${(60 * hours).toFixed(1)} minutes` : `${hours.toFixed(1)} hours`;

/** "resnet34 train 64", "resnet34 train 64 by 16" */
const stepOf = (
  { model, stage, batch, microBatch = batch }: Pick<
    Estimate,
    "model" | "stage" | "batch" | "microBatch"
  >,
): string => `${model} ${stage} ${batch}${microBatch < batch ? ` by ${microBatch}` : ""}`;

const hasRoom = ({ bytes }: Estimate, { memory }: PlannedMachine): boolean =>
  memory === undefined || bytes <= memory;
