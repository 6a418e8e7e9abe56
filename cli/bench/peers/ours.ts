/** This engine at the compared work: a plan each, replayed. */

import type { Runtime } from "../../../engine/plan/runtime.ts";
import type { PlanSpec } from "../../../engine/plan/plan.ts";
import { grad } from "../../../engine/tensor/autograd.ts";
import { conv2d } from "../../../engine/tensor/conv.ts";
import { crossEntropy } from "../../../engine/tensor/loss.ts";
import { matmul } from "../../../engine/tensor/matmul.ts";
import { reshape } from "../../../engine/tensor/movement.ts";
import { add, mul, relu, sub } from "../../../engine/tensor/pointwise.ts";
import { maxPool2d } from "../../../engine/tensor/pool.ts";
import { type Tensor, Variable } from "../../../engine/tensor/tensor.ts";
import type { Engine, Prepared } from "./engine.ts";
import type { Convolution, Operand, Product, Step, Work } from "./work.ts";

interface Graph {
  readonly spec: PlanSpec;
  readonly variables: readonly Variable[];
}

export function ours(runtime: Runtime): Engine {
  return { name: "this engine", prepare: (work) => prepare(runtime, work) };
}

async function prepare(runtime: Runtime, work: Work): Promise<Prepared> {
  const { spec, variables } = graphOf(work);
  const names = Object.keys(spec.outputs!);
  const plan = await runtime.plan(spec);
  const read = () => plan.read(...names);
  return {
    enqueue: () => plan.run(),
    wait: read,
    results: async () => {
      const values = await read();
      return Object.fromEntries(
        names.map((name, i) => [name, values[i] as Float32Array<ArrayBuffer>]),
      );
    },
    release: () => {
      plan.destroy();
      runtime.release(variables);
    },
  };
}

function graphOf(work: Work): Graph {
  switch (work.kind) {
    case "product":
      return product(work);
    case "convolution":
      return convolution(work);
    case "step":
      return step(work);
  }
}

function variablesOf(operands: Readonly<Record<string, Operand>>): Record<string, Variable> {
  return Object.fromEntries(
    Object.entries(operands).map(([name, { shape, data }]) => [
      name,
      new Variable(name, shape, data),
    ]),
  );
}

function product({ operands }: Product): Graph {
  const { a, b } = variablesOf(operands);
  return { spec: { outputs: { y: matmul(a, b) } }, variables: [a, b] };
}

function convolution({ operands, gradients }: Convolution): Graph {
  const { x, w, dy } = variablesOf(operands);
  const y = conv2d(x, w, { padding: 1 });
  if (!gradients) return { spec: { outputs: { y } }, variables: [x, w] };
  const [dx, dw] = grad(y, [x, w], dy);
  return { spec: { outputs: { y, dx, dw } }, variables: [x, w, dy] };
}

function step({ images, labels, operands, spec: { lr, channels, classes } }: Step): Graph {
  const parameters = variablesOf(operands);
  const x = new Variable("images", images.shape, images.data);
  const y = new Variable("labels", [labels.length], labels);
  let features: Tensor = x;
  for (let i = 0; i + 1 < channels.length; i++) {
    const map = conv2d(features, parameters[`conv${i}.weight`], { padding: 1 });
    features = maxPool2d(relu(add(map, parameters[`conv${i}.bias`])), 2);
  }
  const flat = features.size / labels.length;
  const head = reshape(parameters["head.weight"], [flat, classes]);
  const logits = add(
    matmul(reshape(features, [labels.length, flat]), head),
    parameters["head.bias"],
  );
  const loss = crossEntropy(logits, y);
  const all = Object.values(parameters);
  const gradients = grad(loss, all);
  return {
    spec: {
      outputs: { loss, ...parameters },
      assign: all.map((w, i) => [w, sub(w, mul(gradients[i], lr))]),
    },
    variables: [x, y, ...all],
  };
}
