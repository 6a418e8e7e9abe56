/**
 * A placebo without any mask: the size of the label's gradient is held down everywhere,
 *
 *     L = mean |d s_c / dA|      over all of a layer, for each term at the term's layers,
 *
 * with a weight by which it starts at what the treated model's term starts at. A constraint that
 * gains because it makes gradients small gains here.
 */

import { abs, add } from "../../tensor/pointwise.ts";
import { mean } from "../../tensor/reduce.ts";
import type { Penalty } from "../../train/loss.ts";
import { type Constraint, termsOf } from "../constraint.ts";
import { firstValues } from "../first_values.ts";
import { constraintPenalty } from "../penalty.ts";
import { scoreGradients } from "../score.ts";
import { defineArm } from "./arm.ts";
import { constrained } from "./treated.ts";

export const placeboSize = defineArm({
  name: "placebo-size",
  words: "trained on with as small a gradient, wherever it lies",
  help: "the gradient's size held down, wherever it lies",
  needs: ["constraint"],
  isConstrained: true,
  options: {},
  cost: 3,
  recipe: async (site) => {
    const { network, treatment: { constraint }, kernels } = site;
    const wanted = await firstValues(site, constraintPenalty(network, constraint, kernels)!);
    const found = await firstValues(site, sizePenalty(constraint));
    const weights = Object.fromEntries(
      termsOf(constraint).map((term) => {
        const ratio = found[term] > 0 ? wanted[term] / found[term] : 0;
        return [term, constraint[term].weight * ratio];
      }),
    );
    const words = Object.entries(weights).map(([term, weight]) =>
      `${weight.toPrecision(3)} in the place of the ${term}-wise term`
    );
    return {
      penalty: sizePenalty(constraint, weights),
      settings: { ...constrained(site).settings, weights },
      note: `mean |gradient| at weight ${words.join(", ")}: it starts at the same value`,
    };
  },
});

/** @param weights by term; those of the constraint if absent */
function sizePenalty(
  constraint: Constraint,
  weights: Readonly<Record<string, number>> = {},
): Penalty {
  return {
    build: ({ logits, labels, output }) =>
      Object.fromEntries(
        termsOf(constraint).map((term) => {
          const { layers, weight, schedule } = constraint[term];
          const sizes = scoreGradients(logits, labels, layers.map(output))
            .map((gradient) => mean(abs(gradient)));
          const value = sizes.reduce((sum, size) => add(sum, size));
          return [term, { value, weight: weights[term] ?? weight, schedule }];
        }),
      ),
  };
}
