/**
 * Images on other images' backgrounds: what belongs to the figure stays, what lies around it is
 * another's. What a network says of both tells, and what it is trained on by both decides, how much
 * it goes by the background.
 */

import { concat, slice } from "../tensor/movement.ts";
import { add, div, greater, mul, sub } from "../tensor/pointwise.ts";
import { maxPool2d } from "../tensor/pool.ts";
import { sum } from "../tensor/reduce.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * An image as it might be without its figure: something else where that was.
 * @param background m, the share of background in each pixel [B, H, W, 1]
 */
export type Fill = (images: Tensor, background: Tensor) => Tensor;

/**
 * Each image's figure on the background of the image `offset` places after it in the batch. Of that
 * image its own figure is left out: where that was, there is the mean colour of its background, or
 * what another fill puts there.
 *
 *     y_b = (1 - m_b) x_b + m_b fill_o,   o = (b + offset) mod B
 *
 * An image that has no mask, or that is all figure, stays as it is and lends no background: what
 * would be pasted on it stays as it is too.
 * @param images [B, H, W, C]
 * @param background m, the share of background in each pixel [B, H, W, 1]; 0 where not known
 * @returns [B, H, W, C], differentiable in the images
 */
export function onOtherBackgrounds(
  images: Tensor,
  background: Tensor,
  offset = 1,
  fill: Fill = meanColour,
): Tensor {
  const given = roll(greater(overPixels(background), 0), offset);
  const taken = mul(background, given);
  return add(mul(images, sub(1, taken)), mul(roll(fill(images, background), offset), taken));
}

const overPixels = (x: Tensor) => sum(x, [1, 2], { keepDims: true });

/** m x + (1 - m) mean,   mean = sum m x / sum m over pixels, by channel */
export const meanColour: Fill = (images, background) => {
  const seen = mul(images, background);
  const mean = div(overPixels(seen), add(overPixels(background), 1e-12));
  return add(seen, mul(sub(1, background), mean));
};

/** How far around a figure its outline may be seen: a part of the image's side. */
const MARGIN = 1 / 16;

/**
 * The background [B, H, W, 1] without what lies a little around a figure: masks are seldom exact, and
 * an outline tells as much.
 */
export function clearOfFigures(background: Tensor): Tensor {
  const margin = Math.ceil(MARGIN * background.shape[1]);
  const figure = sub(1, background);
  const grown = maxPool2d(figure, 2 * margin + 1, { stride: 1, padding: margin });
  return sub(1, grown);
}

/**
 * Where the figure was, the image's own background from half an image away, first along the rows,
 * which are more alike than columns; where that is figure too, the mean colour. A flat figure shows
 * its outline, by which its class is told; a texture that goes on hides most of it.
 */
export const ownTexture: Fill = (images, background) => {
  const [, height, width] = images.shape;
  const seen = greater(clearOfFigures(background), 0.999);
  const half = [Math.floor(height / 2), Math.floor(width / 2)];
  let [filled, open] = [meanColour(images, seen), sub(1, seen)];
  for (const [down, right] of [[0, half[1]], [half[0], 0], half]) {
    const from = (x: Tensor) => roll(roll(x, down, 1), right, 2);
    const taken = mul(open, from(seen));
    filled = add(mul(filled, sub(1, taken)), mul(from(images), taken));
    open = sub(open, taken);
  }
  return filled;
};

/** Element i along `axis` of the result is element (i + offset) mod n of `x`. */
export function roll(x: Tensor, offset: number, axis = 0): Tensor {
  const extent = x.shape[axis];
  const start = ((offset % extent) + extent) % extent;
  if (start === 0) return x;
  return concat([slice(x, axis, start), slice(x, axis, 0, start)], axis);
}
