/**
 * Whole training steps, plain and under treatment (the channel-wise constraint at the last
 * convolution, as the method's authors set it), in turns.
 */

import type { DataSet } from "../../engine/data/dataset.ts";
import { OFF, type Term } from "../../engine/doctor/constraint.ts";
import { resolveLayers } from "../../engine/doctor/layers.ts";
import { constraintPenalty } from "../../engine/doctor/penalty.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import type { Module } from "../../engine/nn/module.ts";
import { observe } from "../../engine/nn/observe.ts";
import { initialize } from "../../engine/nn/state.ts";
import type { Runtime } from "../../engine/plan/runtime.ts";
import { draws, streamId } from "../../engine/random.ts";
import { Input, Variable } from "../../engine/tensor/tensor.ts";
import type { Penalty } from "../../engine/train/loss.ts";
import { TrainingStep } from "../../engine/train/step.ts";
import { median } from "../../engine/averages.ts";
import type { ClassifierEntry } from "../../models/classifier.ts";
import { classifierOrFile } from "../model_file.ts";
import { madeUpFor } from "../profile/stage.ts";
import { ratioInTurns, type Result, type Summary } from "./result.ts";
import { type Contender, inTurns, type TurnOptions } from "./turns.ts";

/** Settings of the method's authors. */
const ALPHA = 10;
const SGD = { momentum: 0.9, weightDecay: 5e-4 };
/** Small: the steps shall not diverge, however many there are. */
const LR = 1e-4;
const SEED = 0;

/** The cross entropy's relative error between both steps, which begin at the same weights. */
const TOLERANCE = 1e-4;

export interface StepsOptions extends TurnOptions {
  readonly models: readonly string[];
  readonly batch: number;
  readonly onModel?: (done: number, total: number) => void;
}

/** @throws UserError (failure) where the treated step's cross entropy is not the plain one's */
export async function benchSteps(
  runtime: Runtime,
  options: StepsOptions,
): Promise<{ results: Result[]; summaries: Summary[] }> {
  const { models, batch, onModel } = options;
  const results: Result[] = [];
  const summaries: Summary[] = [];
  for (const [i, model] of models.entries()) {
    onModel?.(i, models.length);
    const entry = await classifierOrFile(model);
    const set = { ...madeUpFor(entry, { batch }), augmentation: { cropPadding: 0, flip: false } };
    const [plain, treated] = await benchModel(runtime, entry, set, options);
    results.push(plain, treated);
    const what = `${model}: treat step over plain training step`;
    summaries.push({ what, ...ratioInTurns(plain, treated) });
  }
  onModel?.(models.length, models.length);
  return { results, summaries };
}

async function benchModel(
  runtime: Runtime,
  entry: ClassifierEntry,
  set: DataSet,
  options: StepsOptions,
): Promise<Result[]> {
  const { batch } = options;
  const kinds = [false, true];
  const contenders: Trained[] = [];
  try {
    for (const treat of kinds) {
      contenders.push(await Trained.make(runtime, entry, set, batch, treat));
    }
    const [plain, treated] = await Promise.all(contenders.map((of) => of.firstLoss()));
    check(entry.name, treated, plain);
    const rounds = await inTurns(contenders, options);
    return kinds.map((treat, i) => ({
      group: treat ? "treat step" : "plain step",
      name: `${entry.name}, batch ${batch}`,
      work: { kind: "step", model: entry.name, batch, classes: set.classes.length, treat },
      engine: "this engine",
      seconds: median(rounds[i]),
      rounds: rounds[i],
      error: treat ? Math.abs(treated / plain - 1) : undefined,
    }));
  } finally {
    for (const contender of contenders) contender.release();
  }
}

function check(model: string, treated: number, plain: number): void {
  const error = Math.abs(treated / plain - 1);
  if (error <= TOLERANCE) return;
  throw new UserError(
    `${model}'s cross entropy is ${treated} in a treated step and ${plain} in a plain one from the ` +
      "same weights: nothing is timed that computes something else",
    ExitCode.failure,
    "that is a defect; please report it with the adapter's name",
  );
}

/** A network that is trained on the same batch over and over. */
class Trained implements Contender {
  private steps = 0;
  private readonly indices: Uint32Array<ArrayBuffer>;

  private constructor(
    private readonly runtime: Runtime,
    private readonly network: Module,
    private readonly step: TrainingStep,
    private readonly masks: readonly Variable[],
    batch: number,
  ) {
    this.indices = Uint32Array.from({ length: batch }, (_, i) => i);
  }

  static async make(
    runtime: Runtime,
    entry: ClassifierEntry,
    set: DataSet,
    batch: number,
    treat: boolean,
  ): Promise<Trained> {
    const network = entry.create({
      inChannels: set.channels,
      numClasses: set.classes.length,
      imageSize: set.height,
    });
    initialize(network, SEED);
    const { penalty, masks } = treat ? constraint(network, entry, set) : { masks: [] };
    const options = { ...SGD, batch, seed: SEED, penalty };
    const step = await TrainingStep.make(runtime, network, set, set.train, options);
    return new Trained(runtime, network, step, masks, batch);
  }

  async enqueue(): Promise<void> {
    await this.step.run(this.indices, this.steps++, LR);
  }

  wait(): Promise<Record<string, number>> {
    return this.step.readMetrics();
  }

  /** The cross entropy at the first weights. */
  async firstLoss(): Promise<number> {
    await this.enqueue();
    const { loss, channel = 0 } = await this.wait();
    return loss - ALPHA * channel;
  }

  release(): void {
    this.step.destroy();
    this.runtime.release([
      ...[...this.network.namedState()].map(([, parameter]) => parameter),
      ...this.masks,
    ]);
  }
}

/** The constraint at the last convolution, with masks drawn at random: they cost the same. */
function constraint(
  network: Module,
  { featureLayer }: ClassifierEntry,
  { height, width, channels, classes }: DataSet,
): { penalty?: Penalty; masks: Variable[] } {
  const layers = resolveLayers(network, ["last"], featureLayer);
  const { layer: output } = observe(network, new Input("image", [1, height, width, channels]), {
    training: false,
  });
  const kernels = layers.map((layer) => {
    const shape = [classes.length, output(layer).shape.at(-1)!];
    const draw = draws(SEED, streamId(`mask of ${layer}`));
    const values = Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => draw(i) & 1);
    return [layer, { mask: new Variable(`mask of ${layer}`, shape, values) }] as const;
  });
  const channel: Term = { ...OFF, form: "paper", weight: ALPHA, layers };
  const penalty = constraintPenalty(network, { channel, space: OFF }, new Map(kernels));
  return { penalty, masks: kernels.map(([, { mask }]) => mask) };
}
