/** The constraints as a term of the training loss: cross entropy + alpha channel + beta space. */

import type { DataSet } from "../data/dataset.ts";
import { ExitCode, UserError } from "../errors.ts";
import type { Module } from "../nn/module.ts";
import { gradients } from "../tensor/autograd.ts";
import { add, mul } from "../tensor/pointwise.ts";
import { constant, Input, type Tensor } from "../tensor/tensor.ts";
import { forward, type Penalty, type StepGraph } from "../train/step.ts";
import { isUniformInSpace } from "./constant.ts";
import {
  aggregate,
  backgroundAt,
  channelConstraint,
  type ClassKernels,
  confusingClass,
  scoreGradients,
  shareOutside,
  spatialConstraint,
  strayKernels,
} from "./constraint.ts";

export interface ConstrainedLayer extends ClassKernels {
  readonly layer: string;
}

/**
 * How the constraints are measured: `paper` as the authors write them, or `share`, the part of each
 * sample's absolute gradient that lies where it should not, which doesn't depend on the gradient's
 * size.
 */
export const FORMS = ["paper", "share"] as const;
export type ConstraintForm = typeof FORMS[number];

export interface ConstraintOptions {
  readonly form: ConstraintForm;
  /** That of the space-wise constraint; the same if absent. */
  readonly spaceForm?: ConstraintForm;
  /** Where the channel-wise constraint is. */
  readonly layers: readonly ConstrainedLayer[];
  /** Where the space-wise constraint is; at the same layers if absent. */
  readonly spaceLayers?: readonly string[];
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

/**
 * Finds out before any training whether the constraint can be had: builds its graph for a batch of
 * two images. @throws UserError (method) as building the penalty does, (usage) for a wrong layer
 */
export function checkConstraint(
  network: Module,
  { height, width, channels, classes, train }: DataSet,
  layers: readonly string[],
  weights: Pick<ConstraintOptions, "form" | "spaceForm" | "alpha" | "beta" | "spaceLayers">,
): void {
  const batch = {
    images: new Input("images", [2, height, width, channels]),
    labels: new Input("labels", [2], "u32"),
    background: train.masks && new Input("background", [2, height, width, 1]),
  };
  const { graph } = forward(network, batch, new Input("key", [2], "u32"));
  const masks = layers.map((layer) => {
    const shape = [classes.length, graph.output(layer).shape.at(-1)!];
    return { layer, mask: new Input(`mask of ${layer}`, shape) };
  });
  const parameters = [...network.namedParameters()].map(([, parameter]) => parameter);
  constraintPenalty({ ...weights, layers: masks, parameters })?.build(graph);
}

function build(graph: StepGraph, options: ConstraintOptions) {
  const { layers, alpha, beta, parameters } = options;
  const terms: Record<string, Tensor> = {};
  const weighted: Tensor[] = [];
  const constrain = (name: string, weight: number, at: readonly string[], of: Tensor[]) => {
    refuseConstant(name, at, of, parameters);
    terms[name] = of.reduce((sum, term) => add(sum, term));
    weighted.push(mul(terms[name], weight));
  };
  if (alpha !== 0) {
    const names = layers.map(({ layer }) => layer);
    constrain("channel", alpha, names, channelTerms(graph, options));
  }
  if (beta !== 0) {
    const names = options.spaceLayers ?? layers.map(({ layer }) => layer);
    constrain("space", beta, names, spaceTerms(graph, names, options.spaceForm ?? options.form));
  }
  return { loss: weighted.reduce((sum, term) => add(sum, term), constant(0)), terms };
}

function channelTerms(graph: StepGraph, { form, layers }: ConstraintOptions): Tensor[] {
  const { logits, labels } = graph;
  const outputs = layers.map(({ layer }) => graph.output(layer));
  const own = scoreGradients(logits, labels, outputs);
  if (form === "share") {
    return layers.map((kernels, i) =>
      shareOutside(own[i], strayKernels(kernels, labels, own[i].rank))
    );
  }
  const confusing = confusingClass(logits, labels);
  const other = scoreGradients(logits, confusing, outputs);
  return layers.map((kernels, i) =>
    channelConstraint(aggregate(own[i]), aggregate(other[i]), kernels, labels, confusing)
  );
}

function spaceTerms(graph: StepGraph, layers: readonly string[], form: ConstraintForm): Tensor[] {
  const background = requireBackground(graph);
  const inSpace = form === "share" ? shareOutside : spatialConstraint;
  const own = scoreGradients(graph.logits, graph.labels, layers.map(graph.output));
  return own.map((gradient, i) => {
    const [height, width] = requireSpace(gradient, layers[i]);
    if (form === "share") refuseUniform(gradient, layers[i]);
    return inSpace(gradient, backgroundAt(background, height, width));
  });
}

function requireBackground({ background }: StepGraph): Tensor {
  if (background) return background;
  throw new UserError(
    "the space-wise constraint (--beta) needs to know where the background is, and this data set " +
      "has no masks",
    ExitCode.method,
    "use --beta 0, masks of some images (--masks DIR; see deno task sift), or data that has them, " +
      "such as --data shapes",
  );
}

/** Height and width of a layer. */
function requireSpace({ shape }: Tensor, layer: string): readonly number[] {
  if (shape.length === 4) return shape.slice(1, 3);
  throw new UserError(
    `layer ${layer} has no height and width, which the space-wise constraint needs`,
    ExitCode.method,
    "choose a layer before the head, such as features",
  );
}

/** A share that is the same whatever the network does would be no constraint. */
function refuseUniform(gradient: Tensor, layer: string): void {
  if (!isUniformInSpace(gradient)) return;
  throw new UserError(
    `the space-wise share at ${layer} is constant: the network reads the mean of that layer, so ` +
      "its gradient is the same at every pixel and can't be moved",
    ExitCode.method,
    "choose an earlier layer (deno task models NAME --layers lists them), or the published form",
  );
}

/** Training on a constant would be training without the constraint and calling it a treatment. */
function refuseConstant(
  name: string,
  layers: readonly string[],
  terms: readonly Tensor[],
  parameters: readonly Tensor[],
): void {
  const isConstant = terms.map((term) => gradients(term, parameters).every((g) => !g));
  const useless = layers.filter((_, i) => isConstant[i]);
  if (useless.length === 0) return;
  const others = layers.filter((_, i) => !isConstant[i]);
  throw new UserError(
    `the ${name}-wise constraint at ${useless.join(", ")} is constant: the logits depend on that ` +
      "layer in a fixed, linear way, so its gradient holds no parameter and nothing can be treated",
    ExitCode.method,
    others.length > 0
      ? `leave ${others.join(",")} alone as the layers`
      : "choose another layer, such as features",
  );
}
