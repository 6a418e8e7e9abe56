/**
 * Weights as ratios. How large a term is depends on its form, its layer and the network, over
 * decades; what matters is how it compares with the cross entropy. So a weight may be told as kappa,
 *
 *     lambda = kappa CE_0 / L_0
 *
 * with both losses' means over the first images that are trained on, at the weights that the training
 * starts from: at kappa 1 both count alike there. (RRR's best weight is where the two are alike, over
 * four decades.) Lambda has three digits, so that it is the same wherever it is measured, and asking
 * for that weight gives the same run.
 */

import { ExitCode, UserError } from "../errors.ts";
import { crossEntropy } from "../tensor/loss.ts";
import type { Penalty } from "../train/loss.ts";
import { ALWAYS } from "../train/schedule.ts";
import { type Constraint, termsOf, type Weights } from "./constraint.ts";
import { firstValues, type StartSite } from "./first_values.ts";
import type { ClassKernels } from "./forms/form.ts";
import { constraintPenalty } from "./penalty.ts";
import { type TermName, weightFlag } from "./terms.ts";

/**
 * What the ratios of a constraint come to, for the network in the state that it is in; {} where no
 * weight is one.
 * @throws UserError (method) where a term is 0 at the start, so that no weight follows
 */
export async function measureRatios(
  site: StartSite,
  constraint: Constraint,
  kernels: ReadonlyMap<string, ClassKernels>,
): Promise<Weights> {
  const terms = termsOf(constraint).filter((term) => constraint[term].relative);
  if (terms.length === 0) return {};
  const penalty = constraintPenalty(site.network, constraint, kernels)!;
  const { entropy, ...values } = await firstValues(site, withEntropy(penalty));
  return Object.fromEntries(terms.map((term) => {
    const weight = constraint[term].weight * entropy / values[term];
    if (!(Number.isFinite(weight) && weight > 0)) throw noRatio(term, entropy, values[term]);
    return [term, Number(weight.toPrecision(3))];
  }));
}

/** The penalty's terms, and the cross entropy beside them. */
const withEntropy = (penalty: Penalty): Penalty => ({
  build: (graph) => {
    const value = crossEntropy(graph.logits, graph.labels);
    return { ...penalty.build(graph), entropy: { value, weight: 1, schedule: ALWAYS } };
  },
});

/** The constraint with the weights that were measured in the place of ratios. */
export function weighed(constraint: Constraint, weights: Weights): Constraint {
  const measured = Object.entries(weights).map(([term, weight]) => {
    const { relative: _, ...rest } = constraint[term as TermName];
    return [term, { ...rest, weight }];
  });
  return { ...constraint, ...Object.fromEntries(measured) };
}

const noRatio = (term: TermName, entropy: number, value: number) =>
  new UserError(
    `kappa of the ${term}-wise constraint has no weight: before it is trained on, the constraint ` +
      `is ${value}, the cross entropy ${entropy}`,
    ExitCode.method,
    value === 0
      ? `there is nothing to hold down in this network; ${weightFlag(term)} gives a weight anyway`
      : `give a weight (${weightFlag(term)})`,
  );
