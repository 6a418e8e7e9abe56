/** Whether two networks compute the same: their graphs node by node, weights by their names. */

import type { Module } from "../../engine/nn/module.ts";
import { ancestorsOf } from "../../engine/tensor/autograd.ts";
import { Input, type Tensor, Variable } from "../../engine/tensor/mod.ts";
import { sameShape, type Shape } from "../../engine/tensor/shape.ts";

/** Operations whose two inputs may change places, to the bit. */
const COMMUTATIVE: readonly string[] = ["add", "mul"];

/** Axes of one element say nothing of values in memory. */
const longAxes = (shape: Shape) => shape.filter((extent) => extent !== 1);

/**
 * Numbers nodes so that equal ones, of whatever graph, have the same number: of one operation, shape
 * and attributes on equal inputs. What is computed of equal nodes is equal to the bit. That an axis of
 * one element comes or goes changes nothing, nor does the order of a sum's two terms.
 */
export class Numbering {
  private readonly numbers = new Map<string, number>();

  /** The numbers of `outputs`, of a graph on the weights of `network`. */
  of(network: Module, outputs: readonly Tensor[]): number[] {
    const names = new Map<Tensor, string>(
      [...network.namedState()].map(([name, parameter]) => [parameter, name]),
    );
    const found = new Map<Tensor, number>();
    for (const node of ancestorsOf(outputs)) {
      const [input] = node.inputs;
      const isSame = node.operation.name === "reshape" &&
        sameShape(longAxes(node.shape), longAxes(input.shape));
      found.set(node, isSame ? found.get(input)! : this.numberOf(node, names.get(node), found));
    }
    return outputs.map((output) => found.get(output)!);
  }

  private numberOf(node: Tensor, name: string | undefined, found: ReadonlyMap<Tensor, number>) {
    const { operation, dtype, attributes, inputs } = node;
    const leaf = node instanceof Variable || node instanceof Input ? node.label : "";
    const of = inputs.map((input) => found.get(input)!);
    if (COMMUTATIVE.includes(operation.name)) of.sort((a, b) => a - b);
    const isPlain = operation.kind === "pointwise" || inputs.every(({ size }) => size === 1);
    const shapes = [node, ...inputs].map(({ shape }) => isPlain ? longAxes(shape) : shape);
    const key = JSON.stringify([operation.name, name ?? leaf, shapes, dtype, attributes, of]);
    const number = this.numbers.get(key) ?? this.numbers.size;
    this.numbers.set(key, number);
    return number;
  }
}
