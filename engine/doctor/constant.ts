/** Whether constraining a layer can change anything, told from the graph alone. */

import type { Module } from "../nn/module.ts";
import { observe } from "../nn/observe.ts";
import { simplify } from "../plan/simplify.ts";
import { gradients } from "../tensor/autograd.ts";
import type { Shape } from "../tensor/shape.ts";
import { Input, type Tensor } from "../tensor/tensor.ts";
import { scoreGradients } from "./score.ts";

/**
 * Whether the gradient of the logits at a layer holds no parameter: what follows the layer is
 * fixed and linear, as an average pool is. A constraint on it has no gradient then.
 * @param image height, width and channels of the images
 */
export function constraintIsConstant(network: Module, layer: string, image: Shape): boolean {
  // Two images: a batch of one would have no variance in a last layer of 1 x 1 pixels.
  const images = new Input("images", [2, ...image]);
  const { logits, layer: output } = observe(network, images, { training: true });
  const [gradient] = scoreGradients(logits, new Input("labels", [2], "u32"), [output(layer)]);
  const parameters = [...network.namedParameters()].map(([, parameter]) => parameter);
  return gradients(gradient, parameters).every((g) => g === undefined);
}

/**
 * Whether a gradient [B, H, W, C] is the same at every pixel, as it is behind a global average pool:
 * the layer is read by its mean alone, and no share of the gradient can be moved to another place.
 */
export function isUniformInSpace(gradient: Tensor): boolean {
  return isRepeated(simplify([gradient]).of(gradient), [1, 2]);
}

/** Whether a tensor of a simplified graph, as it stands there, repeats one value along the axes. */
function isRepeated(tensor: Tensor, axes: readonly number[]): boolean {
  const seen = new Set<string>();
  const open = [{ tensor, axes }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { id, operation, inputs, shape, rank } = next.tensor;
    const extended = next.axes.filter((axis) => axis >= 0 && shape[axis] > 1);
    const what = `${id} along ${extended}`;
    if (extended.length === 0 || seen.has(what)) continue;
    seen.add(what);
    if (operation.kind === "pointwise") {
      open.push(...inputs.map((tensor) => ({ tensor, axes: extended })));
    } else if (operation.kind === "broadcast") {
      const [source] = inputs;
      open.push({ tensor: source, axes: extended.map((axis) => axis - rank + source.rank) });
    } else return false;
  }
  return true;
}
