/**
 * Mixup: images and their targets mixed with those of another image of the batch,
 *
 *     x = l x_a + (1 - l) x_b,   target = l e_a + (1 - l) e_b,   l ~ Beta(alpha, alpha)
 *
 * l drawn once for a batch, as in the authors' code. What other image it is needs no draw: batches
 * are in random order, so the neighbour is a random one.
 */

import { oneHot } from "../../tensor/indexing.ts";
import { slice } from "../../tensor/movement.ts";
import { add, div, equal, exp, greater, log, mul, sigmoid, sub } from "../../tensor/pointwise.ts";
import { uniform } from "../../tensor/random.ts";
import { max, sum } from "../../tensor/reduce.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Transform } from "../../train/graph.ts";
import { roll } from "../exchange.ts";
import { defineArm } from "./arm.ts";

export const mixup = defineArm({
  name: "mixup",
  words: "trained on with images and labels mixed in pairs",
  help: "images and labels mixed in pairs",
  source: "Zhang et al., ICLR 2018",
  needs: [],
  options: {
    mixupAlpha: {
      type: "number",
      above: 0,
      max: 1,
      default: 1,
      help: "mixup: the shares follow Beta(alpha, alpha); 1 is uniform, less is less mixed",
    },
  },
  recipe: ({ set }, { mixupAlpha }) => ({
    transform: mixed(set.classes.length, mixupAlpha),
    settings: { mixupAlpha },
  }),
});

const mixed =
  (classes: number, alpha: number): Transform => ({ images, labels, ...batch }, key) => {
    const share = symmetricBeta(alpha, key);
    const mix = (of: Tensor) => add(mul(of, share), mul(roll(of, 1), sub(1, share)));
    return { ...batch, labels, images: mix(images), targets: mix(oneHot(labels, classes)) };
  };

/** Each try is accepted with a probability of 1/2 or more, so one of these practically always is. */
const TRIES = 32;

/**
 * A draw of Beta(alpha, alpha), alpha up to 1, by Jöhnk's rejection: u^(1/alpha) over the sum of two
 * such, where the sum is at most 1. All tries are made at once, and one of the accepted is drawn; the
 * powers are kept as logarithms, which don't underflow.
 */
export function symmetricBeta(alpha: number, key: Tensor): Tensor {
  // The draws are multiples of 2^-24; half of one keeps them off 0.
  const draws = add(uniform(key, [3, TRIES], "mixup"), 2 ** -25);
  const row = (i: number) => slice(draws, 0, i, i + 1);
  const [x, y] = [0, 1].map((i) => div(log(row(i)), alpha));
  const isRefused = greater(add(exp(x), exp(y)), 1);
  const turn = mul(row(2), sub(1, isRefused));
  const chosen = equal(turn, max(turn));
  return div(sum(mul(sigmoid(sub(x, y)), chosen)), sum(chosen));
}
