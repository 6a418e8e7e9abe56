/** What a network consists of and what a forward pass costs, read off its graph. */

import { ancestors } from "../tensor/autograd.ts";
import type { Shape } from "../tensor/shape.ts";
import { Input, type Tensor } from "../tensor/tensor.ts";
import { type Module, Parameter, run } from "./module.ts";

export interface ModuleSummary {
  readonly name: string;
  readonly type: string;
  /** One image's output as PyTorch has it, [C, H, W] or [C]; absent where it isn't applied. */
  readonly output?: Shape;
  /** Trained values in it and its parts. */
  readonly parameters: number;
}

export interface NetworkSummary {
  readonly parameters: number;
  /** Multiply-adds of convolutions and linear layers for one image. */
  readonly macs: number;
  /** Parents before children, in PyTorch's order of registration. */
  readonly modules: readonly ModuleSummary[];
}

/** @param image height, width and channels of the images */
export function summarizeNetwork(network: Module, image: Shape): NetworkSummary {
  const outputs = new Map<string, Shape>();
  const tap = (name: string, output: Tensor) => {
    outputs.set(name, output.shape);
    return output;
  };
  const { output } = run(network, new Input("image", [1, ...image]), { training: false, tap });
  const modules = [...network.namedModules()].filter(([name]) => name !== "");
  return {
    parameters: parametersOf(network),
    macs: ancestors(output).reduce((sum, node) => sum + multiplyAdds(node), 0),
    modules: modules.map(([name, module]) => ({
      name,
      type: module.type,
      output: channelsFirst(outputs.get(name)),
      parameters: parametersOf(module),
    })),
  };
}

function parametersOf(module: Module): number {
  return [...module.namedParameters()].reduce((sum, [, { size }]) => sum + size, 0);
}

/** Of a convolution with parameters [R, S, C/groups, K], or a linear layer's matrix product. */
export function multiplyAdds({ operation, inputs, size, shape }: Tensor): number {
  // Average pools are convolutions with fixed weights.
  const weights = inputs.length < 2 ? undefined : parameterIn(inputs[1]);
  if (!weights) return 0;
  switch (operation.name) {
    case "conv2d":
      return size / shape[3] * weights.size;
    case "matmul":
      return size * (inputs[0].size / shape[0]);
    default:
      return 0;
  }
}

/** The parameter that weights are, under another shape or order, or filled up with zeros. */
export function parameterIn(weights: Tensor): Parameter | undefined {
  if (weights instanceof Parameter) return weights;
  return weights.inputs.length === 1 ? parameterIn(weights.inputs[0]) : undefined;
}

function channelsFirst(shape?: Shape): Shape | undefined {
  if (shape?.length !== 4) return shape?.slice(1);
  const [, height, width, channels] = shape;
  return [channels, height, width];
}
