/**
 * The constraints as shares: the part of each image's absolute gradient that lies outside. It
 * doesn't depend on the gradient's size.
 */

import { abs, add, div, mul } from "../../tensor/pointwise.ts";
import { mean, sum } from "../../tensor/reduce.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { scoreGradients } from "../score.ts";
import type { Form, Site } from "./form.ts";
import { backgroundAt, strayKernels } from "./outside.ts";

export const share = {
  name: "share",
  words: "as a share",
  help: "as the share of each image's absolute gradient that lies outside",
  channel: {
    weight: 0.1,
    needs: [],
    build: (site) =>
      shares(
        site,
        (gradient, layer) =>
          strayKernels(site.kernels.get(layer)!, site.graph.labels, gradient.rank),
      ),
  },
  space: {
    weight: 1,
    needs: ["background", "pixels", "movable gradient"],
    build: (site) => shares(site, (gradient) => backgroundAt(site.graph.background!, gradient)),
  },
} as const satisfies Form;

function shares(
  { graph: { logits, labels, output }, layers }: Site,
  outside: (gradient: Tensor, layer: string) => Tensor,
): Tensor[] {
  const own = scoreGradients(logits, labels, layers.map(output));
  return own.map((gradient, i) => shareOutside(gradient, outside(gradient, layers[i])));
}

/**
 * Either constraint as a share, in 0 .. 1: the part of each sample's absolute gradient of the true
 * class that lies where it should not, averaged over the batch. Shrinking the whole gradient, the
 * cheapest way to please the constraints as written, gains nothing here. Of the confusing class
 * nothing is asked: a share has no size that could be lowered, only a place that could be moved,
 * and its own kernels are where its gradient belongs.
 * @param gradient d s(c) / d A, [B, ..., C]
 * @param outside how far each element is outside, 0 .. 1, of a shape that broadcasts to it: kernels
 * that are not the class's own (`strayKernels`), or background (`backgroundAt`)
 */
export function shareOutside(gradient: Tensor, outside: Tensor): Tensor {
  const size = abs(gradient);
  const axes = size.shape.map((_, d) => d).slice(1);
  return mean(div(sum(mul(size, outside), axes), add(sum(size, axes), 1e-12)));
}
