/**
 * What a network says of one image and why: its logits, where in the image it looks, and which
 * kernels its score goes by. Nothing here knows files or hosts.
 */

import type { DataSet, MemorySplit } from "../data/dataset.ts";
import { aggregate, scoreGradients } from "../doctor/score.ts";
import type { Module } from "../nn/module.ts";
import { observe } from "../nn/observe.ts";
import { fitted, inside, type StateDict } from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import { float64 } from "../reference/float64.ts";
import { flatten } from "../tensor/movement.ts";
import { abs } from "../tensor/pointwise.ts";
import { sum } from "../tensor/reduce.ts";
import { type HostArray, Input } from "../tensor/tensor.ts";

/** Puts weights into a network that lies on no device yet. Throws what `checkStateDict` does. */
export function fill(network: Module, state: StateDict, where: string): void {
  const own = fitted(network, state, where);
  for (const [name, parameter] of network.namedState()) {
    const tensor = own.get(name);
    if (tensor) (parameter.initial as Float32Array).set(inside(parameter, tensor) as Float32Array);
  }
}

/** What a network says of an image, and what its score of one class goes by. */
export interface Sight {
  readonly logits: ArrayLike<number>;
  /** |d score / d image|, over the colours: [H W]. */
  readonly saliency: ArrayLike<number>;
  /** relu(d score / d A), summed over space: one for each kernel of the layer. */
  readonly kernels: ArrayLike<number>;
}

/** One image at a time, by the engine's kernels or, without a device, in float64. */
export class Looker {
  private constructor(
    private readonly see: (
      image: Float32Array,
      label: number,
    ) => Promise<HostArray[] | Float64Array[]>,
    readonly destroy: () => void,
  ) {}

  /** @param layer whose kernels are looked at */
  static async make(
    runtime: Runtime | undefined,
    network: Module,
    { height, width, channels }: Pick<DataSet, "height" | "width" | "channels">,
    layer: string,
  ): Promise<Looker> {
    const images = new Input("image", [1, height, width, channels]);
    const labels = new Input("class", [1], "u32");
    const { logits, layer: output } = observe(network, images, { training: false });
    const [atImage, atLayer] = scoreGradients(logits, labels, [images, output(layer)]);
    const outputs = {
      logits: flatten(logits),
      saliency: flatten(sum(abs(atImage), [3])),
      kernels: flatten(aggregate(atLayer)),
    };
    const order = [outputs.logits, outputs.saliency, outputs.kernels];
    if (!runtime) {
      const see = (image: Float32Array, label: number) => {
        const given = new Map([[images, image], [labels, Float32Array.of(label)]]);
        return Promise.resolve(float64(order, given, undefined, { simplified: false }).values);
      };
      return new Looker(see, () => {});
    }
    const plan = await runtime.plan({ purpose: "a look at an image", outputs });
    const see = (image: Float32Array, label: number) => {
      plan.run([[images, Float32Array.from(image)], [labels, Uint32Array.of(label)]]);
      return plan.read("logits", "saliency", "kernels");
    };
    return new Looker(see, () => plan.destroy());
  }

  /** @param label whose score is looked into; the likeliest class if absent */
  async look(image: Float32Array, label?: number): Promise<Sight & { readonly label: number }> {
    let [logits, saliency, kernels] = await this.see(image, label ?? 0);
    const chosen = label ?? largest(logits);
    if (label === undefined && chosen !== 0) {
      [logits, saliency, kernels] = await this.see(image, chosen);
    }
    return { logits, saliency, kernels, label: chosen };
  }
}

/** The place of the largest. */
export function largest(values: ArrayLike<number>): number {
  let best = 0;
  for (let k = 1; k < values.length; k++) if (values[k] > values[best]) best = k;
  return best;
}

/** Bytes of an image as the network wants them: (byte / 255 - mean) / std. */
export function normalised(
  bytes: ArrayLike<number>,
  { mean, std }: Pick<DataSet, "mean" | "std">,
): Float32Array<ArrayBuffer> {
  const channels = mean.length;
  return Float32Array.from(
    bytes,
    (byte, i) => (byte / 255 - mean[i % channels]) / std[i % channels],
  );
}

/**
 * An image's figure on another's background, which lies shifted, going round at the edges. Where the
 * other's own figure was, there is the mean colour of its background.
 * @param figure, ground numbers of images of the split, of `side` x `side` pixels
 */
export function onGround(
  { images, masks }: MemorySplit,
  side: number,
  figure: number,
  ground: number,
  [dx, dy]: readonly [number, number],
): Uint8ClampedArray<ArrayBuffer> {
  const pixels = side * side;
  const covers = (image: number, p: number) => {
    const row = masks?.rows[image] ?? 0;
    return (masks?.coverage[row * pixels + p] ?? 255) / 255;
  };
  const colour = (image: number, p: number, c: number) => images[(image * pixels + p) * 3 + c];
  const means = [0, 1, 2].map((c) => {
    let [total, weight] = [0, 1e-9];
    for (let p = 0; p < pixels; p++) {
      const seen = 1 - covers(ground, p);
      total += seen * colour(ground, p, c);
      weight += seen;
    }
    return total / weight;
  });
  const result = new Uint8ClampedArray(3 * pixels);
  const wrap = (i: number) => ((i % side) + side) % side;
  for (let p = 0; p < pixels; p++) {
    const from = wrap(Math.floor(p / side) - dy) * side + wrap(p % side - dx);
    const [own, other] = [covers(figure, p), covers(ground, from)];
    for (let c = 0; c < 3; c++) {
      const behind = (1 - other) * colour(ground, from, c) + other * means[c];
      result[3 * p + c] = own * colour(figure, p, c) + (1 - own) * behind;
    }
  }
  return result;
}
