/** A training whose numbers stop being numbers says at which step and in which layer that began. */

import assert from "node:assert/strict";
import type { MemorySplit } from "../engine/data/dataset.ts";
import { ExitCode } from "../engine/errors.ts";
import { Linear } from "../engine/nn/layers.ts";
import { Module, Parameter, type Pass, Sequential } from "../engine/nn/module.ts";
import { initialize } from "../engine/nn/state.ts";
import { permutation, streamId } from "../engine/random.ts";
import { grad } from "../engine/tensor/autograd.ts";
import { flatten } from "../engine/tensor/movement.ts";
import { add, div, greater, mul, sqrt, square, sub } from "../engine/tensor/pointwise.ts";
import { max, mean, sum } from "../engine/tensor/reduce.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import type { TrainOptions } from "../engine/train/options.ts";
import type { Penalty } from "../engine/train/loss.ts";
import { inFolder, userError } from "./support/io.ts";
import { CHANNELS, CLASSES, SIZE, tinyOptions, tinySet, tinyTraining } from "./support/train.ts";

/** The one training image that is as bright as a byte can be, and what that is to the network. */
const BRIGHT = 17;
const LEVEL = 2.6;
const bytes = SIZE * SIZE * CHANNELS;
const train: MemorySplit = {
  ...tinySet.train,
  images: tinySet.train.images.map((x, at) => Math.floor(at / bytes) === BRIGHT ? 255 : x),
};
const set = { ...tinySet, train };

/** The step, from 1, at which an epoch sees that image. */
function stepOf(epoch: number, { seed, batch }: TrainOptions): number {
  const order = permutation(train.labels.length, seed, streamId(`order of epoch ${epoch}`));
  return 1 + Math.floor(order.indexOf(BRIGHT) / batch);
}

/** 0 where the bright image is in the batch, else 1. */
const usual = (x: Tensor) => sub(1, greater(max(x), LEVEL));

/** What a layer does to its input, whose mean is that of the batch. */
type Breaks = (x: Tensor) => Tensor;
const output: Breaks = (x) => div(x, usual(x));
/** Adds the root of a value that is 0 for the bright image: a root's slope is infinite there. */
const gradient: Breaks = (x) => add(x, sqrt(mul(square(mean(x)), usual(x))));

class Breaking extends Module {
  /** What a gradient is wanted for. */
  readonly bias = new Parameter([1], { value: 0 });
  constructor(private readonly breaks: Breaks) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return this.breaks(add(x, this.bias));
  }
}

class Network extends Module {
  readonly layers: Sequential;
  constructor(breaks: Breaks) {
    super();
    const pixels = SIZE * SIZE * CHANNELS;
    this.layers = new Sequential(new Breaking(breaks), new Linear(pixels, CLASSES));
  }
  protected forward(x: Tensor, pass: Pass): Tensor {
    return this.layers.apply(flatten(x), pass);
  }
}

function network(breaks: Breaks): Network {
  const made = new Network(breaks);
  initialize(made, 0);
  return made;
}

/** The gradient of the input is finite; its own derivative has the root's in it. */
const onGradient: Penalty = {
  build: ({ logits, output }) => {
    const [g] = grad(sum(square(logits)), [output("layers.0")]);
    const value = sqrt(mul(square(mean(g)), usual(output("input"))));
    return { term: { value, weight: 1, schedule: { course: "constant", warmup: 0 } } };
  },
};

const cases: [string, Breaks, Penalty | undefined, RegExp][] = [
  ["forward", output, undefined, /began with (NaN|Infinity) in the output of layers\.0,/],
  ["backward", gradient, undefined, /began with (NaN|Infinity) in a gradient at layers\.0,/],
  ["in a term", (x) => x, onGradient, /began with (NaN|Infinity) in a gradient at the constraint,/],
];
for (const [name, breaks, penalty, place] of cases) {
  Deno.test(`the first value that is no number is told by step and layer: ${name}`, () =>
    inFolder(async (folder) => {
      for (const seed of [7, 8, 9]) {
        const said: string[] = [];
        const options = { ...tinyOptions(folder), set, train, penalty, seed, batch: 5, lr: 1e-3 };
        const error = await userError(
          tinyTraining({ ...options, onReplay: (why) => said.push(why) }, network(breaks)),
          ExitCode.diverged,
          place,
        );
        const step = stepOf(0, options);
        assert.match(error.message, new RegExp(`at step ${step} of 12 in epoch 1 of stage basel`));
        assert.equal(said.length, 1);
        assert.match(said[0], /\d+ steps are done again/);
      }
    }));
}
