/** No operation of the engine goes unchecked: each occurs in the cases of the three-way check. */

import { deepEqual, equal } from "node:assert/strict";
import { ancestors, operations } from "../engine/tensor/mod.ts";
import { allCases } from "./reference/cases.ts";
import { operations as oracle } from "./reference/interpreter.ts";
import { derivatives } from "./support/check.ts";

const leaves = new Set(["variable", "input"]);

/** The names of the operations that the engine defines. */
const declared = () =>
  new Set(operations().map(({ name }) => name).filter((name) => !leaves.has(name)));

function covered(): Set<string> {
  const names = new Set<string>();
  for (const each of allCases) {
    const { value, orders } = derivatives(each);
    const all = orders.flatMap(({ gradients }) => gradients.filter((g) => g !== undefined));
    for (const node of ancestors(value, ...all)) {
      if (!leaves.has(node.operation.name)) names.add(node.operation.name);
    }
  }
  return names;
}

const sorted = (names: Iterable<string>) => [...names].sort();

Deno.test("the oracle knows the engine's operations and no others", () => {
  deepEqual(sorted(oracle.keys()), sorted(declared()));
});

Deno.test("every operation is checked in value and derivatives", () => {
  deepEqual(sorted(covered()), sorted(declared()));
});

Deno.test("no two operations have one name: equal nodes are merged by it", () => {
  equal(operations().length, new Set(operations().map(({ name }) => name)).size);
});
