/** The constraints as a term of the training loss: cross entropy + alpha channel + beta space. */

import { ExitCode, UserError } from "../errors.ts";
import { gradients } from "../tensor/autograd.ts";
import { add, mul } from "../tensor/pointwise.ts";
import { constant, type Tensor, Variable } from "../tensor/tensor.ts";
import type { Penalty, StepGraph } from "../train/step.ts";
import {
  aggregate,
  backgroundAt,
  channelConstraint,
  channelShare,
  confusingClass,
  scoreGradients,
  spatialConstraint,
  spatialShare,
} from "./constraint.ts";

export interface ConstrainedLayer {
  readonly layer: string;
  /** The kernels each class lives on, [classes, channels]. */
  readonly mask: Variable;
}

/**
 * How the constraints are measured: `paper` as the authors write them, or `share`, the part of each
 * sample's gradient that lies where it should not, which doesn't depend on the gradient's size.
 */
export type ConstraintForm = "paper" | "share";

export interface ConstraintOptions {
  readonly form: ConstraintForm;
  readonly layers: readonly ConstrainedLayer[];
  /** Weight of the channel-wise constraint. */
  readonly alpha: number;
  /** Weight of the space-wise constraint; needs images with masks. */
  readonly beta: number;
  /** The parameters that the constraint is meant to change. */
  readonly parameters: readonly Tensor[];
}

/**
 * The penalty of the constraints at every layer, or undefined where alpha and beta are 0.
 * Building it throws UserError (method) where a constraint asked for is constant, or where the
 * data has no masks for the space-wise one.
 */
export function constraintPenalty(options: ConstraintOptions): Penalty | undefined {
  if (options.alpha === 0 && options.beta === 0) return undefined;
  return { build: (graph) => build(graph, options) };
}

function build(graph: StepGraph, { form, layers, alpha, beta, parameters }: ConstraintOptions) {
  const inChannels = form === "paper" ? channelConstraint : channelShare;
  const inSpace = form === "paper" ? spatialConstraint : spatialShare;
  const { logits, labels } = graph;
  const outputs = layers.map(({ layer }) => graph.output(layer));
  const own = scoreGradients(logits, labels, outputs);
  const terms: Record<string, Tensor> = {};
  let loss = constant(0);
  if (alpha !== 0) {
    const confusing = confusingClass(logits, labels);
    const other = scoreGradients(logits, confusing, outputs);
    terms.channel = total(
      layers.map(({ mask }, i) =>
        inChannels(aggregate(own[i]), aggregate(other[i]), mask, labels, confusing)
      ),
    );
    loss = add(loss, mul(terms.channel, alpha));
  }
  if (beta !== 0) {
    const { background } = graph;
    if (!background) {
      throw new UserError(
        "the space-wise constraint (--beta) needs to know where the background is, and this " +
          "data set has no masks",
        ExitCode.method,
        "use --beta 0, or data with masks such as --data shapes",
      );
    }
    terms.space = total(own.map((g, i) => {
      if (g.rank !== 4) {
        throw new UserError(
          `layer ${layers[i].layer} has no height and width, which the space-wise constraint needs`,
          ExitCode.method,
          "choose a layer before the head, such as --layer features",
        );
      }
      const [, height, width] = g.shape;
      return inSpace(g, backgroundAt(background, height, width));
    }));
    loss = add(loss, mul(terms.space, beta));
  }
  const names = layers.map(({ layer }) => layer);
  for (const [name, term] of Object.entries(terms)) refuseConstant(name, term, parameters, names);
  return { loss, terms };
}

const total = (terms: readonly Tensor[]) => terms.reduce((sum, term) => add(sum, term));

/** Training on a constant would be training without the constraint and calling it a treatment. */
function refuseConstant(
  name: string,
  term: Tensor,
  parameters: readonly Tensor[],
  layers: readonly string[],
): void {
  if (gradients(term, parameters).some((g) => g !== undefined)) return;
  throw new UserError(
    `the ${name}-wise constraint at ${layers.join(", ")} is constant: the logits depend on that ` +
      "layer in a fixed, linear way, so its gradient holds no parameter and nothing can be treated",
    ExitCode.method,
    "choose another layer, such as --layer features",
  );
}
