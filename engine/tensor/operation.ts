/**
 * How operations are defined. Every one is listed by being defined, so that tests can ask which there
 * are. Nodes of operations with kernels carry attributes, what the operation was given beside
 * tensors: their type is said once, at the definition, and checked wherever nodes are made and read.
 */

import type { Target } from "../gpu/kernels/target.ts";
import { type Shape, shapeError } from "./shape.ts";
import {
  type Attributes,
  CONSTANT,
  type DType,
  INPUT,
  type Kernels,
  type Operation,
  type Step,
  Tensor,
  VARIABLE,
} from "./tensor.ts";

const defined: Operation[] = [VARIABLE, INPUT, CONSTANT];

/** Every operation of the modules that are loaded. */
export function operations(): readonly Operation[] {
  return defined;
}

/** Lists an operation without attributes, and returns it. */
export function define<O extends Operation>(operation: O): O {
  defined.push(operation);
  return operation;
}

/** An operation with kernels whose nodes have attributes of type A. */
export interface KernelOperation<A> extends Kernels {
  /** A node of the operation. */
  node(inputs: readonly Tensor[], shape: Shape, attributes: A, dtype?: DType): Tensor;
  /** The attributes of a node of the operation. */
  attributesOf(node: Tensor): A;
}

interface Definition<A> {
  readonly name: string;
  /** The types of its inputs, where they are not free. */
  readonly inputs?: readonly DType[];
  /** As `Operation.gradient`, given the node's attributes. */
  readonly gradient?: (
    node: Tensor,
    gradient: Tensor,
    attributes: A,
  ) => readonly (Tensor | undefined)[];
  /** As `Kernels.lower`, given the node's attributes. */
  readonly lower: (node: Tensor, attributes: A, target: Target) => readonly Step[];
}

/** Defines an operation with kernels. Attributes must survive JSON: equal nodes are merged by it. */
export function defineKernels<A extends object = Attributes>(
  { name, inputs: types, gradient, lower }: Definition<A>,
): KernelOperation<A> {
  const operation: KernelOperation<A> = {
    name,
    kind: "kernels",
    gradient: gradient && ((node, g) => gradient(node, g, operation.attributesOf(node))),
    lower: (node, target) => lower(node, operation.attributesOf(node), target),
    node: (inputs, shape, attributes, dtype = "f32") => {
      checkTypes(name, inputs, types);
      return new Tensor(operation, inputs, shape, dtype, { ...attributes as Attributes });
    },
    attributesOf: (node) => {
      if (node.operation !== operation) throw new Error(`${node} is no ${name}`);
      return node.attributes as A;
    },
  };
  return define(operation);
}

function checkTypes(name: string, inputs: readonly Tensor[], types?: readonly DType[]): void {
  types?.forEach((type, i) => {
    const { dtype, shape } = inputs[i];
    if (dtype !== type) throw shapeError(name, `input ${i} must be ${type}, not ${dtype}`, shape);
  });
}
