/**
 * Temperature scaling (Guo et al., ICML 2017): the logits divided by the one number that makes the
 * cross entropy on the validation images smallest. No prediction changes, only its confidence. The
 * number is folded into the last layer's weights, so that what is kept is a network like any other;
 * where scaling those does not scale the logits, it can't be.
 */

import type { DataSet, Split } from "../data/dataset.ts";
import { ExitCode, UserError } from "../errors.ts";
import type { Module, Parameter } from "../nn/module.ts";
import type { Runtime } from "../plan/runtime.ts";
import { type Logits, Predictor } from "../train/predict.ts";
import { headParameters } from "./head.ts";

/**
 * Between these the factor is sought. Where every image is right the best one is infinite, and the
 * least is taken beyond which the loss stays the same.
 */
const RANGE = [1e-2, 1e2] as const;
/** What rounding makes of logits that were scaled by way of the weights. */
const TOLERANCE = 1e-4;

/**
 * The factor of the logits (one over the temperature) with the least cross entropy, within RANGE. It
 * is convex in the factor, so halving finds where the derivative changes its sign:
 *
 *     d CE / d b = mean over images of  sum_k softmax(b z)_k z_k - z_label
 */
export function bestScale(logits: Logits): number {
  let [low, high] = RANGE.map(Math.log);
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (slope(logits, Math.exp(middle)) < 0) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}

/** The derivative of the summed cross entropy in the factor of the logits. */
function slope({ values, classes, labels }: Logits, scale: number): number {
  return labels.reduce((total, label, i) => {
    const row = values.subarray(i * classes, (i + 1) * classes);
    const largest = Math.max(...row);
    let [sum, weighted] = [0, 0];
    for (const z of row) {
      const weight = Math.exp(scale * (z - largest));
      sum += weight;
      weighted += weight * z;
    }
    return total + weighted / sum - row[label];
  }, 0);
}

/** Fits the temperature of a network to validation images, and folds it into the last layer. */
export class Temperature {
  private constructor(
    private readonly runtime: Runtime,
    private readonly head: ReadonlyMap<string, Parameter>,
    private readonly predictor: Predictor,
  ) {}

  static async make(
    runtime: Runtime,
    network: Module,
    set: DataSet,
    validation: Split,
    batch: number,
  ): Promise<Temperature> {
    const predictor = await Predictor.make(runtime, network, set, validation, batch);
    return new Temperature(runtime, headParameters(network, set), predictor);
  }

  /** Puts the temperature into the weights. @throws UserError (method) where it can't be */
  async fold(signal?: AbortSignal): Promise<number> {
    const before = await this.predictor.predict({ signal });
    const scale = bestScale(before);
    await this.scaleHead(scale);
    this.requireScaled(before, await this.predictor.predict({ signal }), scale);
    return scale;
  }

  /**
   * Finds out by the logits whether the last layer's weights scale them; leaves them scaled by 1/2.
   * @throws UserError (method) where they don't
   */
  async require(signal?: AbortSignal): Promise<void> {
    const before = await this.predictor.predict({ signal });
    await this.scaleHead(1 / 2);
    this.requireScaled(before, await this.predictor.predict({ signal }), 1 / 2);
  }

  destroy(): void {
    this.predictor.destroy();
  }

  private async scaleHead(scale: number): Promise<void> {
    const parameters = [...this.head.values()];
    const values = await this.runtime.read(parameters);
    parameters.forEach((parameter, i) => {
      this.runtime.write(parameter, Float32Array.from(values[i], (value) => scale * value));
    });
  }

  private requireScaled(before: Logits, after: Logits, scale: number): void {
    let [error, size] = [0, 0];
    before.values.forEach((value, i) => {
      error += (after.values[i] - scale * value) ** 2;
      size += (scale * value) ** 2;
    });
    if (error <= TOLERANCE ** 2 * size) return;
    throw new UserError(
      `a temperature can't be folded into ${[...this.head.keys()].join(" and ")}: with these ` +
        `weights times ${scale} the logits are not ${scale} times what they were`,
      ExitCode.method,
      "leave the arm temperature out (--arms)",
    );
  }
}
