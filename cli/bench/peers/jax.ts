/**
 * jax-js at the compared work, each as one jitted function, as its own examples have it.
 *
 * jax-js is lazy, and what nobody asks for is neither queued nor computed: every repeat's results
 * are asked for, by `gpuBufferSync`, which queues them without waiting.
 */

import { ExitCode, UserError } from "../../../engine/errors.ts";
import { type Engine, type Prepared, type Values, versionOf } from "./engine.ts";
import type { Jax, JaxArray as Array, JaxTree as Tree } from "./jax_types.ts";
import {
  channelsFirstShape,
  type Convolution,
  fromChannelsFirst,
  type Operand,
  type Product,
  type Step,
  toChannelsFirst,
  type Work,
} from "./work.ts";

/** Not a literal in `import()`: whoever doesn't compare shall not have to download it. */
const PACKAGE = "npm:@jax-js/jax@0.1.25";

/** @throws UserError (noAdapter) */
export async function jaxJs(): Promise<Engine> {
  const jax: Jax = await import(PACKAGE);
  const devices = await jax.init("webgpu");
  if (!devices.includes("webgpu")) {
    throw new UserError("jax-js finds no WebGPU adapter", ExitCode.noAdapter);
  }
  jax.defaultDevice("webgpu");
  const engine = new JaxEngine(jax);
  return {
    name: `jax-js ${versionOf(PACKAGE)}`,
    prepare: (work) => Promise.resolve(engine.prepare(work)),
  };
}

class JaxEngine {
  constructor(private readonly jax: Jax) {}

  prepare(work: Work): Prepared {
    switch (work.kind) {
      case "product":
        return this.pure(work, this.product());
      case "convolution":
        return this.pure(work, work.gradients ? this.withGradients() : this.convolution());
      case "step":
        return this.step(work);
    }
  }

  private array(operand: Operand): Array {
    return this.jax.numpy.array(toChannelsFirst(operand)).reshape(channelsFirstShape(operand));
  }

  private arrays(operands: Readonly<Record<string, Operand>>): Tree {
    return Object.fromEntries(
      Object.entries(operands).map(([name, operand]) => [name, this.array(operand)]),
    );
  }

  /** A function without state. `f` takes its operands over, as all of jax-js's functions do. */
  private pure(work: Product | Convolution, f: (operands: Tree) => Tree): Prepared {
    const { tree, blockUntilReady } = this.jax;
    const operands = this.arrays(work.operands);
    let last: Tree = {};
    return {
      enqueue() {
        tree.dispose(last);
        last = f(tree.ref(operands));
        // All results of a jitted function are queued with any of them.
        Object.values(last)[0].ref.gpuBufferSync();
      },
      wait: () => blockUntilReady(last),
      results: () => values(work, tree.ref(last)),
      release: () => tree.dispose({ ...last, ...operands }),
    };
  }

  private readonly convolve = (x: Array, w: Array) =>
    this.jax.lax.convGeneralDilated(x, w, [1, 1], "SAME");

  private product() {
    return this.jax.jit(({ a, b }: Tree): Tree => ({ y: this.jax.numpy.matmul(a, b) }));
  }

  private convolution() {
    return this.jax.jit(({ x, w, dy }: Tree): Tree => {
      dy.dispose();
      return { y: this.convolve(x, w) };
    });
  }

  /** Returns y too: jax-js leaves out what doesn't reach a result. */
  private withGradients() {
    return this.jax.jit(({ x, w, dy }: Tree): Tree => {
      const [y, pull] = this.jax.vjp(this.convolve, [x, w]);
      const [dx, dw] = pull(dy);
      pull.dispose();
      return { y, dx, dw };
    });
  }

  private step(work: Step): Prepared {
    const { tree, blockUntilReady, numpy } = this.jax;
    const run = this.trainingStep(work);
    const images = this.array(work.images);
    const labels = numpy.array(Int32Array.from(work.labels));
    let parameters = this.arrays(work.operands);
    let state: Tree = {};
    return {
      enqueue() {
        state.loss?.dispose();
        const [loss, next] = run(parameters, images.ref, labels.ref);
        parameters = next;
        state = { loss, ...parameters };
        loss.ref.gpuBufferSync();
      },
      wait: () => blockUntilReady(state),
      results: () => values(work, tree.ref(state)),
      release: () => tree.dispose({ ...state, images, labels }),
    };
  }

  /** The loss and the parameters after a step, of the parameters before it. */
  private trainingStep({ spec: { channels, classes, lr } }: Step) {
    const { jit, nn, numpy, tree, valueAndGrad } = this.jax;
    return jit((parameters: Tree, images: Array, labels: Array): [Array, Tree] => {
      const lossOf = (parameters: Tree): Array => {
        let x = images;
        for (let i = 0; i + 1 < channels.length; i++) {
          const bias = parameters[`conv${i}.bias`].reshape([1, -1, 1, 1]);
          const map = this.convolve(x, parameters[`conv${i}.weight`]).add(bias);
          x = this.maxPool(nn.relu(map));
        }
        const flat = x.reshape([images.shape[0], -1]);
        const head = parameters["head.weight"].reshape([-1, classes]);
        const logits = numpy.matmul(flat, head).add(parameters["head.bias"]);
        const chosen = nn.logSoftmax(logits).mul(nn.oneHot(labels, classes));
        return chosen.sum().mul(-1 / images.shape[0]);
      };
      const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(parameters));
      const descend = (w: Array, g: Array) => w.sub(g.mul(lr));
      return [loss, tree.map(descend, parameters, gradients)];
    });
  }

  /** 2 x 2 with stride 2, of [N, C, H, W]. */
  private maxPool(x: Array): Array {
    const [n, c, h, w] = x.shape;
    return this.jax.numpy.max(x.reshape([n, c, h / 2, 2, w / 2, 2]), [3, 5]);
  }
}

async function values(work: Work, results: Tree): Promise<Values> {
  const entries = Object.entries(results).map(async ([name, array]) =>
    [name, fromChannelsFirst(work.results[name], await array.data())] as const
  );
  return Object.fromEntries(await Promise.all(entries));
}
