/**
 * Images on other images' backgrounds: what belongs to the figure stays, what lies around it is
 * another's. What a network says of both tells, and what it is trained on by both decides, how much
 * it goes by the background.
 */

import { concat, slice } from "../tensor/movement.ts";
import { add, div, greater, mul, sub } from "../tensor/pointwise.ts";
import { sum } from "../tensor/reduce.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Each image's figure on the background of the image `offset` places after it in the batch. Of that
 * image its own figure is left out: where that was, there is the mean colour of its background.
 *
 *     y_b = (1 - m_b) x_b + m_b (m_o x_o + (1 - m_o) mean_o),   o = (b + offset) mod B
 *     mean_o = sum m_o x_o / sum m_o                            over pixels, by channel
 *
 * An image that has no mask, or that is all figure, stays as it is and lends no background: what
 * would be pasted on it stays as it is too.
 * @param images [B, H, W, C]
 * @param background m, the share of background in each pixel [B, H, W, 1]; 0 where not known
 * @returns [B, H, W, C], differentiable in the images
 */
export function onOtherBackgrounds(images: Tensor, background: Tensor, offset = 1): Tensor {
  const overPixels = (x: Tensor) => sum(x, [1, 2], { keepDims: true });
  const area = overPixels(background);
  const seen = mul(images, background);
  const mean = div(overPixels(seen), add(area, 1e-12));
  const filled = add(seen, mul(sub(1, background), mean));
  const given = roll(greater(area, 0), offset);
  const taken = mul(background, given);
  return add(mul(images, sub(1, taken)), mul(roll(filled, offset), taken));
}

/** Row b of the result is row (b + offset) mod B of `x`. */
export function roll(x: Tensor, offset: number): Tensor {
  const [rows] = x.shape;
  const start = ((offset % rows) + rows) % rows;
  if (start === 0) return x;
  return concat([slice(x, 0, start), slice(x, 0, 0, start)], 0);
}
