/**
 * Group distributionally robust optimisation: the mean losses of the groups, weighted by how badly
 * they did so far,
 *
 *     q_g = q_g exp(eta loss_g) / sum        loss = sum_g q_g loss_g
 *
 * with every group as likely in a batch, and without the adjustments for small groups. A group that
 * a batch lacks has a loss of 0 there (as in the authors' code).
 */

import { oneHot, takeRows } from "../../tensor/indexing.ts";
import { crossEntropyPerSample } from "../../tensor/loss.ts";
import { detach, reshape } from "../../tensor/movement.ts";
import { div, exp, maximum, mul } from "../../tensor/pointwise.ts";
import { sum } from "../../tensor/reduce.ts";
import { Variable } from "../../tensor/tensor.ts";
import type { Objective } from "../../train/loss.ts";
import { balanced } from "../../train/order.ts";
import { defineArm } from "./arm.ts";
import { groupingOption, type TrainingGroups, trainingGroups } from "./groups.ts";

export const gdro = defineArm({
  name: "gdro",
  words: "trained on with groups weighted by their losses",
  help: "groups weighted by their losses",
  source: "Sagawa et al., ICLR 2020",
  needs: ["groups", "whole batches"],
  options: {
    gdroGroups: groupingOption("gdro"),
    gdroStep: {
      type: "number",
      above: 0,
      max: 100,
      default: 0.01,
      help: "gdro: how fast the groups' weights follow their losses (eta)",
    },
  },
  recipe: ({ split: { train } }, { gdroGroups, gdroStep }) => {
    const groups = trainingGroups(train, gdroGroups);
    return {
      objective: worstGroups(groups, gdroStep),
      order: balanced(groups.of),
      settings: { gdroGroups, gdroStep },
      note: groups.note,
    };
  },
});

function worstGroups({ of, count }: TrainingGroups, eta: number): Objective {
  const table = new Variable("groups", [of.length], of);
  return ({ logits, labels, indices }, state) => {
    const members = oneHot(takeRows(table, indices!), count);
    const losses = reshape(crossEntropyPerSample(logits, labels), [labels.size, 1]);
    const means = div(sum(mul(members, losses), [0]), maximum(sum(members, [0]), 1));
    const even = new Float32Array(count).fill(1 / count);
    const weights = state.keep("weights of groups", [count], even);
    const grown = mul(weights, exp(mul(detach(means), eta)));
    const next = div(grown, sum(grown));
    state.update(weights, next);
    return sum(mul(next, means));
  };
}
