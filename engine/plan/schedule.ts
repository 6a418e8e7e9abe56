/**
 * From a graph to a list of dispatches: the graph is simplified, its nodes become items, passes join
 * some of them, and what is left is lowered to kernels.
 *
 *     simplify    equal nodes once, sums made cheap          graph -> graph
 *     fuse        which nodes have memory of their own       graph -> set of nodes
 *     lower       an item for each of these                  graph -> items
 *     pairs       a wanted value with its only reader        items -> items
 *     twins       two sums of one operand                    items -> items
 *     epilogues   a chain behind a kernel                    items -> items
 *     halves      activations as f16, if asked for           items -> items
 *     updates     new values as soon as they can be          items -> items
 *     in place    new values right into their variables      items -> items
 *     bundles     small chains that may run at one time      items -> items
 *     lower       kernels and their buffers                  items -> dispatches
 */

import type { Target } from "../gpu/kernels/target.ts";
import { sameShape, shapeError } from "../tensor/shape.ts";
import type { AssignmentPair, Tensor, Variable } from "../tensor/tensor.ts";
import { bundle } from "./bundles.ts";
import type { Dispatch, Storage } from "./dispatch.ts";
import { joinEpilogues } from "./epilogues.ts";
import { storedNodes } from "./fuse.ts";
import { keepAsHalves } from "./halves.ts";
import { writeInPlace } from "./in_place.ts";
import { sourceOf } from "./item.ts";
import { itemsOf, stepsOf } from "./lower.ts";
import { joinPairs } from "./pairs.ts";
import { simplify } from "./simplify.ts";
import { joinTwins } from "./twins.ts";
import { updateEarly } from "./updates.ts";

export interface Schedule {
  readonly dispatches: readonly Dispatch[];
  /** Where the value of an output of the original graph lies. */
  storageOf(tensor: Tensor): Storage;
}

/**
 * @param assign new values of variables, all of them computed from the old ones
 * @throws UserError where a value doesn't fit its variable
 */
export function schedule(
  outputs: readonly Tensor[],
  assign: readonly AssignmentPair[],
  target: Target,
): Schedule {
  checkAssignments(assign);
  const values = [...outputs, ...assign.map(([, value]) => value)];
  const graph = simplify(values);
  const wanted = new Set(values.map((value) => sourceOf(graph.of(value))));
  const stored = storedNodes(graph.nodes, wanted, target);

  const separate = itemsOf(graph.nodes, stored, target);
  const paired = joinPairs(separate, target);
  const joined = joinEpilogues(joinTwins(paired, target), wanted, target);
  const assigned = assign.map(([variable, value]) => [variable, graph.of(value)] as const);
  const held = target.halves ? keepAsHalves(joined, wanted) : joined;
  const early = updateEarly(held, assigned);
  const { items, storageOf } = writeInPlace(early, assigned);
  const kept = new Set([...assign.map(([variable]) => variable), ...[...wanted].map(storageOf)]);
  const bundled = bundle(items, kept, target);

  const dispatches = bundled.flatMap((item) =>
    stepsOf(item, target).map((step) => ({ ...step, node: item.node }))
  );
  return { dispatches, storageOf: (tensor) => storageOf(graph.of(tensor)) };
}

function checkAssignments(assign: readonly AssignmentPair[]): void {
  const targets = new Set<Variable>();
  for (const [target, value] of assign) {
    const name = `assignment to ${target.label}`;
    if (!sameShape(target.shape, value.shape)) {
      throw shapeError(name, "shapes differ", target.shape, value.shape);
    }
    if (target.dtype !== value.dtype) {
      throw shapeError(name, `${value.dtype} is not ${target.dtype}`, target.shape);
    }
    if (targets.has(target)) throw shapeError(name, "it is assigned twice", target.shape);
    targets.add(target);
  }
}
