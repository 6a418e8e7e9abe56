/**
 * Reverse-mode differentiation as graph building. The gradient of a node is the sum of what its
 * consumers' rules send back; every rule is written in differentiable operations, so the result is
 * an ordinary graph and `grad` of a `grad` is a second derivative.
 */

import { ExitCode, UserError } from "../errors.ts";
import { broadcastTo } from "./broadcast.ts";
import { derivative, withOrigin } from "./origin.ts";
import { add } from "./pointwise.ts";
import { sameShape, shapeError } from "./shape.ts";
import { constant, requireTensors, type Tensor } from "./tensor.ts";

/**
 * The gradient of `output` with respect to each of `inputs` (any nodes of its graph, not only
 * leaves), or undefined where no differentiable path leads there.
 * @param seed the gradient at `output`; 1 everywhere if absent, so a non-scalar output is summed
 */
export function gradients(
  output: Tensor,
  inputs: readonly Tensor[],
  seed?: Tensor,
): (Tensor | undefined)[] {
  requireTensors("gradients", output, ...inputs);
  if (output.dtype !== "f32") throw shapeError("grad", "integers have none", output.shape);
  if (seed && !sameShape(seed.shape, output.shape)) {
    throw shapeError("grad", "seed and output differ", seed.shape, output.shape);
  }
  const path = nodesBetween(inputs, output);
  const gradient = new Map<Tensor, Tensor>();
  gradient.set(output, seed ?? broadcastTo(constant(1), output.shape));
  const wanted = new Set(inputs);
  for (const node of path) {
    const g = gradient.get(node);
    if (!g) continue;
    if (!wanted.has(node)) gradient.delete(node);
    const rule = node.operation.gradient;
    if (!rule || !node.inputs.some((input) => path.has(input))) continue;
    withOrigin(derivative(node.origin), () =>
      rule(node, g).forEach((part, i) => {
        const input = node.inputs[i];
        if (!part || !path.has(input)) return;
        if (!sameShape(part.shape, input.shape)) {
          throw shapeError(`gradient of ${node}`, `input ${i}`, part.shape, input.shape);
        }
        const sum = gradient.get(input);
        gradient.set(input, sum ? add(sum, part) : part);
      }));
  }
  return inputs.map((input) => gradient.get(input));
}

/**
 * The gradient of a scalar `output`, or of <seed, output>, with respect to each of `inputs`.
 * @throws UserError where the output is no scalar and there is no seed, or where no differentiable
 *   path leads to an input: both are mostly mistakes. `gradients` and `gradOrZeros` take them.
 */
export function grad(output: Tensor, inputs: readonly Tensor[], seed?: Tensor): Tensor[] {
  requireTensors("grad", output, ...inputs);
  if (!seed && output.size !== 1) {
    throw new UserError(
      `grad: the output ${output} is no scalar`,
      ExitCode.failure,
      "sum it, or give the gradient at it as a seed",
    );
  }
  return gradients(output, inputs, seed).map((gradient, i) => {
    if (gradient) return gradient;
    throw new UserError(
      `grad: no differentiable path leads from ${output} to input ${i}, ${inputs[i]}`,
      ExitCode.failure,
      "see that it is used, and not behind detach, sign, argmax or a comparison; gradOrZeros gives " +
        "zeros there, and gradients undefined",
    );
  });
}

/** Like `gradients`, with zeros where no path leads. */
export function gradOrZeros(
  output: Tensor,
  inputs: readonly Tensor[],
  seed?: Tensor,
): Tensor[] {
  return gradients(output, inputs, seed).map((g, i) =>
    g ?? broadcastTo(constant(0), inputs[i].shape)
  );
}

/** The nodes that lead from `inputs` to `output` along differentiable operations, last first. */
function nodesBetween(inputs: readonly Tensor[], output: Tensor): ReadonlySet<Tensor> {
  const path = new Set(inputs);
  for (const node of ancestors(output)) {
    if (node.operation.gradient && node.inputs.some((input) => path.has(input))) path.add(node);
  }
  return new Set([...path].sort((a, b) => b.id - a.id));
}

/** Every node that the outputs depend on, and they themselves, inputs before results. */
export const ancestors = (...outputs: readonly Tensor[]): Tensor[] => ancestorsOf(outputs);

/** The same, of more of them than a call takes arguments. */
export function ancestorsOf(outputs: Iterable<Tensor>): Tensor[] {
  const seen = new Set<Tensor>(outputs);
  const stack = [...seen];
  for (let node = stack.pop(); node; node = stack.pop()) {
    for (const input of node.inputs) {
      if (!seen.has(input)) {
        seen.add(input);
        stack.push(input);
      }
    }
  }
  return [...seen].sort((a, b) => a.id - b.id);
}
