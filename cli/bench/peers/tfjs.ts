/**
 * TensorFlow.js on its WebGPU backend at the compared work, run eagerly, as it is used: an operation
 * is queued when it is called.
 */

import { ExitCode, UserError } from "../../../engine/errors.ts";
import { type Engine, type Prepared, type Values, versionOf } from "./engine.ts";
import type { Tf, TfTensor, TfTensors } from "./tfjs_types.ts";
import type { Convolution, Operand, Product, Step, Work } from "./work.ts";

/** Not literals in `import()`: whoever doesn't compare shall not have to download them. */
const PACKAGE = "npm:@tensorflow/tfjs@4.22.0";
const BACKEND = "npm:@tensorflow/tfjs-backend-webgpu@4.22.0";

/** @throws UserError (noAdapter) */
export async function tensorFlowJs(): Promise<Engine> {
  const tf: Tf = await import(PACKAGE);
  await import(BACKEND);
  if (!await tf.setBackend("webgpu")) {
    throw new UserError("TensorFlow.js finds no WebGPU adapter", ExitCode.noAdapter);
  }
  await tf.ready();
  const engine = new TfEngine(tf);
  return {
    name: `tfjs-webgpu ${versionOf(BACKEND)}`,
    prepare: (work) => Promise.resolve(engine.prepare(work)),
  };
}

class TfEngine {
  constructor(private readonly tf: Tf) {}

  prepare(work: Work): Prepared {
    switch (work.kind) {
      case "product":
        return this.pure(work, ({ a, b }) => ({ y: this.tf.matMul(a, b) }));
      case "convolution":
        return this.pure(work, work.gradients ? this.withGradients : this.convolution);
      case "step":
        return this.step(work);
    }
  }

  /** Images are NHWC and filters RSCK, here as there. */
  private readonly tensor = ({ data, shape }: Operand) =>
    this.tf.tensor(data, [...shape], "float32");

  private readonly convolve = (x: TfTensor, w: TfTensor) => this.tf.conv2d(x, w, 1, "same");

  private readonly convolution = ({ x, w }: TfTensors): TfTensors => ({ y: this.convolve(x, w) });

  private readonly withGradients = ({ x, w, dy }: TfTensors): TfTensors => {
    const { value: y, grads: [dx, dw] } = this.tf.valueAndGrads(this.convolve)([x, w], dy);
    return { y, dx, dw };
  };

  private pure(work: Product | Convolution, f: (operands: TfTensors) => TfTensors): Prepared {
    const { tf } = this;
    const operands = map(work.operands, this.tensor);
    let last: TfTensors = {};
    return {
      enqueue() {
        tf.dispose(last);
        last = tf.tidy(() => f(operands));
      },
      wait: () => values(last),
      results: () => values(last),
      release: () => tf.dispose({ ...last, ...operands }),
    };
  }

  private step(work: Step): Prepared {
    const { tf } = this;
    const images = this.tensor(work.images);
    const classes = tf.tensor(Int32Array.from(work.labels), [work.labels.length], "int32");
    const labels = tf.oneHot(classes, work.spec.classes);
    const parameters = map(work.operands, (operand) => tf.variable(this.tensor(operand)));
    const optimizer = tf.train.sgd(work.spec.lr);
    const loss = () => this.loss(work, parameters, images, labels);
    let state: TfTensors = {};
    return {
      enqueue() {
        state.loss?.dispose();
        state = { loss: tf.tidy(() => optimizer.minimize(loss, true)), ...parameters };
      },
      wait: () => values(state),
      results: () => values(state),
      release() {
        tf.dispose({ ...state, images, labels });
        optimizer.dispose();
      },
    };
  }

  private loss(
    { spec: { channels, classes } }: Step,
    parameters: TfTensors,
    images: TfTensor,
    labels: TfTensor,
  ): TfTensor {
    const { tf } = this;
    let x = images;
    for (let i = 0; i + 1 < channels.length; i++) {
      const map = tf.add(
        this.convolve(x, parameters[`conv${i}.weight`]),
        parameters[`conv${i}.bias`],
      );
      x = tf.maxPool(tf.relu(map), 2, 2, "valid");
    }
    const flat = tf.reshape(x, [images.shape[0], -1]);
    const head = tf.reshape(parameters["head.weight"], [-1, classes]);
    const logits = tf.add(tf.matMul(flat, head), parameters["head.bias"]);
    return tf.losses.softmaxCrossEntropy(labels, logits);
  }
}

function map(
  operands: Readonly<Record<string, Operand>>,
  f: (operand: Operand) => TfTensor,
): TfTensors {
  return Object.fromEntries(
    Object.entries(operands).map(([name, operand]) => [name, f(operand)]),
  );
}

async function values(results: TfTensors): Promise<Values> {
  const entries = Object.entries(results).map(async ([name, tensor]) =>
    [name, await tensor.data()] as const
  );
  return Object.fromEntries(await Promise.all(entries));
}
