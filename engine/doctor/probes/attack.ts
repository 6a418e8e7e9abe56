/**
 * Adversarial images by the network's own gradients. With x0 an image and eps the largest change of
 * a pixel,
 *
 *     FGSM  x = x0 + eps sign(d loss / d x0)                           (Goodfellow et al., 2015)
 *     PGD   x <- the nearest to x + step sign(d loss / d x) within eps of x0, from a random start
 *           within eps                                                 (Madry et al., 2018)
 *
 * where every pixel stays between black and white. The loss is the cross entropy, the network is in
 * evaluation mode. Strengths are in steps of 255: eps = 8 changes a pixel by up to 8 of 255.
 */

import type { Batches } from "../../data/batch.ts";
import { type Module, run } from "../../nn/module.ts";
import { grad } from "../../tensor/autograd.ts";
import { argmax, takeRows } from "../../tensor/indexing.ts";
import { crossEntropyPerSample } from "../../tensor/loss.ts";
import { flatten, reshape } from "../../tensor/movement.ts";
import { add, div, maximum, mul, neg, sign, sub, toFloat } from "../../tensor/pointwise.ts";
import { noise } from "../../tensor/random.ts";
import { sum } from "../../tensor/reduce.ts";
import { type Tensor, Variable } from "../../tensor/tensor.ts";
import { RowCollector } from "../../train/collect.ts";
import { type Observer, partOf } from "../../train/observer.ts";
import type { Subject } from "./probe.ts";

const minimum = (a: Tensor, b: Tensor) => neg(maximum(neg(a), neg(b)));
const clamp = (x: Tensor, low: Tensor, high: Tensor) => minimum(maximum(x, low), high);

/** Within black and white, which lie where the normalisation puts them. */
export function asImage(x: Tensor, { mean, std }: Batches): Tensor {
  return clamp(x, div(neg(mean), std), div(sub(1, mean), std));
}

/** A change of pixels in steps of 255, as a change of normalised values [C]. */
export const change = (steps: number, { std }: Batches) => div(steps / 255, std);

/** In which direction each pixel raises the loss: -1, 0 or 1, of the images' shape. */
export function uphill(network: Module, images: Tensor, labels: Tensor): Tensor {
  const { output } = run(network, images, { training: false });
  return sign(grad(sum(crossEntropyPerSample(output, labels)), [images])[0]);
}

/** The predicted classes of images, as a column of floats [B, 1]. */
export function predictedColumn(logits: Tensor): Tensor {
  return reshape(toFloat(argmax(logits)), [logits.shape[0], 1]);
}

export interface Attack {
  /** Largest change of a pixel, in steps of 255. */
  readonly epsilon: number;
  readonly steps: number;
  /** Change of a pixel in each step, in steps of 255. */
  readonly stepSize: number;
  /** Whether to start at a random place within epsilon, or at the image. */
  readonly randomStart: boolean;
}

export const fgsmAttack = (epsilon: number): Attack => ({
  ...{ epsilon, steps: 1, stepSize: epsilon, randomStart: false },
});
/** With steps long enough to cross from one side to the other, as Madry et al. choose them. */
export const pgdAttack = (epsilon: number, steps = 10): Attack => ({
  ...{ epsilon, steps, stepSize: 2.5 * epsilon / steps, randomStart: true },
});

/** The attacked images, normalised, row-major [n, H, W, C]; `takeRows` makes batches of them. */
export async function attack(
  { runtime, network, set, split, batch, seed }: Subject,
  { epsilon, steps, stepSize, randomStart }: Attack,
  observer: Observer = {},
): Promise<Float32Array<ArrayBuffer>> {
  const shape = [split.labels.length, set.height, set.width, set.channels];
  const current = new Variable("attacked images", shape, new Float32Array(shape.reduce(product)));
  const build = (from: (batches: Batches, key: Tensor) => Tensor) =>
    RowCollector.make(
      runtime,
      set,
      split,
      batch,
      (batches, key) => flatten(asImage(from(batches, key), batches)),
    );
  const start = await build((batches, key) => {
    const { images } = batches;
    if (!randomStart) return images;
    return add(images, mul(noise(images.shape, 1, key, "attack"), change(epsilon, batches)));
  });
  const step = await build((batches) => {
    const x = takeRows(current, batches.indices);
    const moved = add(
      x,
      mul(uphill(network, x, batches.labels), change(stepSize, batches)),
    );
    const [x0, reach] = [batches.images, change(epsilon, batches)];
    return clamp(moved, sub(x0, reach), add(x0, reach));
  });
  try {
    let values = await start.collect(seed, partOf(observer, 0, steps + 1));
    for (let i = 0; i < steps; i++) {
      runtime.write(current, values);
      values = await step.collect(seed, partOf(observer, i + 1, steps + 1));
    }
    return values;
  } finally {
    start.destroy();
    step.destroy();
    runtime.release([current]);
  }
}

const product = (a: number, b: number) => a * b;
