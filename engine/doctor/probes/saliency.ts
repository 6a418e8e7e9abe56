/** Saliency: |d logit of the label / d image|, summed over the image's channels, [H, W]. */

import { type Module, run } from "../../nn/module.ts";
import { flatten } from "../../tensor/movement.ts";
import { abs } from "../../tensor/pointwise.ts";
import { sum } from "../../tensor/reduce.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { scoreGradients } from "../score.ts";

/** The saliency of a batch, [B, H W]. */
export function saliency(network: Module, images: Tensor, labels: Tensor): Tensor {
  const { output } = run(network, images, { training: false });
  const [gradient] = scoreGradients(output, labels, [images]);
  return flatten(sum(abs(gradient), [3]));
}
