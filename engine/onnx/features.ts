/** Where the head of a network begins, found by its graph. */

import { observe } from "../nn/observe.ts";
import type { Shape } from "../tensor/shape.ts";
import { Input } from "../tensor/tensor.ts";
import type { OnnxNetwork } from "./network.ts";

/** What moves a map's pixels, or lets them pass, makes no other map of it. */
const MOVING: readonly string[] = ["Transpose", "Reshape", "Pad", "Dropout", "Identity", "Cast"];

/**
 * The layer that puts out the final feature map, which feeds the head: the last map of more than one
 * pixel. A convolution that makes the logits themselves, as SqueezeNet's, is the head already.
 * @param image height, width and channels
 */
export function featureLayer(network: OnnxNetwork, image: Shape): string {
  const shapes = new Map<string, Shape>();
  const tap = <Output extends { readonly shape: Shape }>(name: string, output: Output) => {
    shapes.set(name, output.shape);
    return output;
  };
  const { logits } = observe(network, new Input("image", [1, ...image]), { training: false, tap });
  const [, classes] = logits.shape;
  const layers = [...network.namedModules()]
    .filter(([name, { type }]) => shapes.has(name) && name !== "" && !MOVING.includes(type));
  const isMap = (name: string) => shapes.get(name)!.length === 4;
  const isWide = (name: string) => isMap(name) && shapes.get(name)!.slice(1, 3).some((e) => e > 1);
  const last = Math.max(
    layers.findLastIndex(([name]) => isWide(name)),
    // On small images even the last maps are of one pixel.
    layers.some(([name]) => isWide(name)) ? -1 : layers.findLastIndex(([name]) => isMap(name)),
  );
  if (last < 0) return layers[layers.length - 1][0];
  const hasLinear = layers.slice(last + 1).some(([, { type }]) =>
    type === "Gemm" || type === "MatMul"
  );
  const maker = layers.slice(0, last + 1).findLastIndex(([, { type }]) => type === "Conv");
  const makesLogits = !hasLinear && maker > 0 && shapes.get(layers[maker][0])![3] === classes;
  return layers[makesLogits ? maker - 1 : last][0];
}
