/** The constraint as a term of the training loss, and whether it can be had. */

import type { DataSet } from "../data/dataset.ts";
import { ExitCode, UserError } from "../errors.ts";
import type { Module } from "../nn/module.ts";
import { ancestors, gradients } from "../tensor/autograd.ts";
import { add } from "../tensor/pointwise.ts";
import { Input, type Tensor } from "../tensor/tensor.ts";
import { forward, type StepGraph } from "../train/graph.ts";
import type { Penalty, PenaltyTerm } from "../train/loss.ts";
import { type Constraint, type Term, termsOf } from "./constraint.ts";
import type { ClassKernels } from "./forms/form.ts";
import { formOf } from "./forms/forms.ts";
import { requireNeeds } from "./forms/needs.ts";
import type { TermName } from "./terms.ts";

/**
 * The penalty of the constraint, or undefined where both terms are off. Building it throws
 * UserError (method) where a term is constant or a need of its form is not met.
 * @param kernels of the layers that were diagnosed, by name
 */
export function constraintPenalty(
  network: Module,
  constraint: Constraint,
  kernels: ReadonlyMap<string, ClassKernels>,
): Penalty | undefined {
  const terms = termsOf(constraint);
  if (terms.length === 0) return undefined;
  const parameters = [...network.namedParameters()].map(([, parameter]) => parameter);
  const build = (graph: StepGraph) =>
    terms.map((term) =>
      [term, termOf(term, constraint[term], graph, kernels, parameters)] as const
    );
  return { build: (graph) => Object.fromEntries(build(graph)) };
}

function termOf(
  term: TermName,
  { form: name, layers, weight, schedule }: Term,
  graph: StepGraph,
  kernels: ReadonlyMap<string, ClassKernels>,
  parameters: readonly Tensor[],
): PenaltyTerm {
  const form = formOf(term, name);
  const site = { term, graph, layers, kernels };
  requireNeeds(form.needs, site);
  const found = form.build(site);
  refuseConstant(term, layers, found, parameters);
  return { value: found.reduce((sum, one) => add(sum, one)), weight, schedule };
}

/** Training on a constant would be training without the constraint and calling it a treatment. */
function refuseConstant(
  term: TermName,
  layers: readonly string[],
  found: readonly Tensor[],
  parameters: readonly Tensor[],
): void {
  const isConstant = found.map((one) => gradients(one, parameters).every((g) => !g));
  const useless = layers.filter((_, i) => isConstant[i]);
  if (useless.length === 0) return;
  const others = layers.filter((_, i) => !isConstant[i]);
  throw new UserError(
    `the ${term}-wise constraint at ${useless.join(", ")} is constant: the logits depend on that ` +
      "layer in a fixed, linear way, so its gradient holds no parameter and nothing can be treated",
    ExitCode.method,
    others.length > 0
      ? `leave ${others.join(",")} alone as the layers`
      : "choose another layer, such as features",
  );
}

/**
 * Finds out before any training whether the constraint can be had: builds its graph for a batch of
 * two images. @throws UserError (method) as building the penalty does, (usage) for a wrong layer
 */
export function checkConstraint(network: Module, set: DataSet, constraint: Constraint): void {
  trace(network, set, constraint);
}

/** Whether any term of the constraint rests on masks, and on the kernels of classes. */
export function restsOn(
  network: Module,
  set: DataSet,
  constraint: Constraint,
): { readonly masks: boolean; readonly kernels: boolean } {
  const { batch, key, terms } = trace(network, set, constraint);
  const values = Object.values(terms).map(({ value }) => value);
  const inputs = ancestors(...values).filter((node) => node instanceof Input);
  const { background, ...rest } = batch;
  // What is neither of the batch nor drawn stands for what a diagnosis will find.
  const known: readonly (Input | undefined)[] = [...Object.values(rest), background, key];
  return {
    masks: inputs.some((input) => input === background),
    kernels: inputs.some((input) => !known.includes(input)),
  };
}

/** The constraint's graph for a batch of two images. */
function trace(network: Module, set: DataSet, constraint: Constraint) {
  const { height, width, channels, classes, train } = set;
  const batch = {
    images: new Input("images", [2, height, width, channels]),
    labels: new Input("labels", [2], "u32"),
    background: train.masks && new Input("background", [2, height, width, 1]),
  };
  const key = new Input("key", [2], "u32");
  const { graph } = forward(network, batch, key);
  return { batch, key, terms: undiagnosed(network, classes.length, constraint).build(graph) };
}

/** The constraint before the kernels of each class are known: its graph is the same. */
export function undiagnosed(network: Module, classes: number, constraint: Constraint): Penalty {
  return {
    build: (graph) => {
      const kernels = constraint.channel.layers.map((layer) => {
        const shape = [classes, graph.output(layer).shape.at(-1)!];
        return [layer, { mask: new Input(`mask of ${layer}`, shape) }] as const;
      });
      return constraintPenalty(network, constraint, new Map(kernels))?.build(graph) ?? {};
    },
  };
}
