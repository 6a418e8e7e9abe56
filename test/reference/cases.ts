/** All cases of the three-way check, and an example of each operation among them. */

import { ancestors } from "../../engine/tensor/mod.ts";
import type { Case } from "../support/check.ts";
import { batchCases, convolutionCases, poolCases } from "./cases_image.ts";
import { movementCases, pointwiseCases } from "./cases_pointwise.ts";
import { lossCases, productCases, reductionCases } from "./cases_reduce.ts";

export const allCases: readonly Case[] = [
  ...[...pointwiseCases, ...movementCases],
  ...[...reductionCases, ...productCases, ...lossCases],
  ...[...convolutionCases, ...poolCases, ...batchCases],
];

/** For each operation that a case has in its value the case with the fewest nodes. */
export const examples: readonly Case[] = [...smallest().values()].map(({ example }) => example);

function smallest() {
  const found = new Map<string, { example: Case; size: number }>();
  for (const example of allCases) {
    const nodes = ancestors(example.f(...example.inputs));
    for (const { operation: { name } } of nodes) {
      const size = found.get(name)?.size ?? Infinity;
      if (nodes.length < size) found.set(name, { example, size: nodes.length });
    }
  }
  return found;
}
