/**
 * The kernels that a class has in the background: where its evidence lies, kernel by kernel, beside
 * what would lie there by chance. Of the masked images of class k,
 *
 *     r[k, j] = sum m |g A|_j / sum |g A|_j       over images and pixels; g = d logit_k / dA
 *     area[k] = the mean share of background
 *
 * A kernel of which r exceeds the area by more than a margin is one of the class's background
 * kernels. That a class is surest by a kernel, as the method's own mask has it, says nothing of this:
 * a shortcut is what it is surest by.
 */

import { abs, greater, mul } from "../tensor/pointwise.ts";
import { mean, sum } from "../tensor/reduce.ts";
import { reshape } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { backgroundAt } from "./forms/outside.ts";

/** Where the evidence for the classes lies at a layer. */
export interface BackgroundEvidence {
  /** r, row-major [classes, channels]; 0 where a kernel says nothing of a class. */
  readonly share: Float32Array<ArrayBuffer>;
  /** The share of background in each class's images [classes]. */
  readonly area: Float32Array<ArrayBuffer>;
}

/** How far r must exceed the area. */
const MARGIN = 0.1;

/**
 * What the shares are made of, for each image: |g A| in the background and everywhere [B, C], the
 * share of background and whether there is any [B, 1]. An image without a mask adds nothing.
 * @param gradient d logit / dA [B, H, W, C]
 * @param output A
 * @param background [B, H', W', 1]
 */
export function evidenceRows(gradient: Tensor, output: Tensor, background: Tensor): Tensor[] {
  const mask = backgroundAt(background, gradient);
  const [batch] = mask.shape;
  const area = reshape(mean(mask, [1, 2, 3]), [batch, 1]);
  const isMasked = greater(area, 0);
  const evidence = abs(mul(gradient, output));
  const overSpace = (x: Tensor) => sum(x, [1, 2]);
  const everywhere = mul(overSpace(evidence), isMasked);
  return [overSpace(mul(evidence, mask)), everywhere, area, isMasked];
}

/** @param sums of those rows over the images of each class, row-major [classes, ...] */
export function evidenceOf(sums: readonly Float64Array[]): BackgroundEvidence {
  const [inside, everywhere, area, images] = sums;
  const ratio = (a: Float64Array, b: Float64Array) =>
    Float32Array.from(a, (value, i) => b[i] > 0 ? value / b[i] : 0);
  return { share: ratio(inside, everywhere), area: ratio(area, images) };
}

/** 1 for the background kernels of each class, row-major [classes, channels]. */
export function backgroundKernels({ share, area }: BackgroundEvidence): Float32Array<ArrayBuffer> {
  const channels = share.length / area.length;
  return share.map((r, at) => r > area[Math.floor(at / channels)] + MARGIN ? 1 : 0);
}
