/**
 * Where a term can be had, and where the space-wise one can move anything. Behind the last layer
 * many networks take the mean of the map, so that its gradient is the same at every pixel; an
 * earlier layer has leverage still.
 */
import type { DataSet } from "../data/dataset.ts";
import { ExitCode, UserError } from "../errors.ts";
import type { Module } from "../nn/module.ts";
import { type Constraint, OFF, type Term, weightInWords } from "./constraint.ts";
import { formOf } from "./forms/forms.ts";
import { resolveLayers } from "./layers.ts";
import { checkConstraint } from "./penalty.ts";
import type { TermName } from "./terms.ts";

/** Whether a term can be had at its layers, alone. @throws UserError (usage) for a wrong layer */
export function canBeHad(network: Module, set: DataSet, name: TermName, term: Term): boolean {
  try {
    checkConstraint(network, set, { channel: OFF, space: OFF, [name]: term });
    return true;
  } catch (error) {
    if (error instanceof UserError && error.exitCode === ExitCode.method) return false;
    throw error;
  }
}

/**
 * The weight of a term where none is asked for: its form's, or 0 where the form needs what is not
 * there. Where the head reads only the mean of its map, a form with a weight that was searched for and
 * a gradient that it has to move is off as well: no search was made on such networks.
 * @param features the map that feeds the head
 * @throws UserError (usage) for a layer that is none
 */
export function defaultWeight(
  network: Module,
  set: DataSet,
  name: TermName,
  wanted: Omit<Term, "weight">,
  features: string,
): number {
  const { weight, relative, needs } = formOf(name, wanted.form);
  if (weight === 0 || needs.length === 0) return weight;
  const isSearched = !relative && needs.includes("movable gradient");
  const layers = [...isSearched ? [features] : [], ...wanted.layers];
  return canBeHad(network, set, name, { ...wanted, layers, weight }) ? weight : 0;
}

export interface DrawnMasks {
  /** Whether weight and layers of the space-wise term were asked for. */
  readonly weightIsGiven: boolean;
  readonly layersAreGiven: boolean;
  /** The map that feeds the head. */
  readonly features: string;
}

/** A constraint that makes use of masks, and what had to be chosen for it. */
export interface Masked {
  readonly constraint: Constraint;
  readonly chosen?: string;
}

/**
 * The constraint with a space-wise term, for masks that were drawn for it: of the weight asked for
 * or its form's, at the layers asked for or the last convolution with leverage.
 * @throws UserError (method) where the layers asked for have none, with the name of one that has,
 * or where the weight is 0
 */
export function forDrawnMasks(
  network: Module,
  set: DataSet,
  constraint: Constraint,
  { weightIsGiven, layersAreGiven, features }: DrawnMasks,
): Masked {
  const { space } = constraint;
  const { weight, relative } = weightIsGiven ? space : formOf("space", space.form);
  if (weight === 0) throw withoutWeight(space.form, weightIsGiven);
  const wanted = { ...space, weight, ...relative && { relative } };
  const isGiven = space.weight === weight;
  if (canBeHad(network, set, "space", wanted)) {
    const at = wanted.layers.join(", ");
    const chosen = isGiven
      ? undefined
      : `the space-wise constraint has the ${weightInWords(wanted)}, ` +
        `at ${at}, for the sake of the masks`;
    return { constraint: { ...constraint, space: wanted }, chosen };
  }
  const last = resolveLayers(network, ["convs"], features).reverse()
    .find((layer) => canBeHad(network, set, "space", { ...wanted, layers: [layer] }));
  if (last === undefined || layersAreGiven) {
    throw new UserError(
      `the masks can have no effect: the ${wanted.form} form of the space-wise constraint can move ` +
        `nothing at ${wanted.layers.join(", ")}`,
      ExitCode.method,
      last === undefined
        ? "Leave the masks out, or try another form (--space-form)."
        : `Choose an earlier layer: --space-layer ${last}.`,
    );
  }
  return {
    constraint: { ...constraint, space: { ...wanted, layers: [last] } },
    chosen: `the space-wise constraint is at ${last}, the last layer where masks have an effect, ` +
      `with the ${weightInWords(wanted)}`,
  };
}

function withoutWeight(form: string, isGiven: boolean): UserError {
  return new UserError(
    isGiven
      ? "the masks can have no effect: the space-wise constraint has the weight 0"
      : `the masks can have no effect: the ${form} form of the space-wise constraint has no weight ` +
        "unless it is given one",
    ExitCode.method,
    isGiven ? "Leave --beta out, or the masks." : "Give it one (--beta), or another form.",
  );
}
