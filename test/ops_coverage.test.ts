/** No operation of the engine goes unchecked: each occurs in the cases of the three-way check. */

import { equal } from "node:assert/strict";
import { ancestors, operations } from "../engine/tensor/mod.ts";
import { allCases } from "./reference/cases.ts";
import { operations as oracle } from "../engine/reference/interpreter.ts";
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

/** @param otherwise what it means that some of the others are not among the names */
function hasAll(names: Set<string>, others: Set<string>, otherwise: string): void {
  const missing = [...others].filter((name) => !names.has(name));
  equal(missing.length, 0, `${otherwise}: ${missing.join(", ")}`);
}

Deno.test("the oracle knows the engine's operations and no others", () => {
  const known = new Set(oracle.keys());
  hasAll(known, declared(), "without a meaning in float64, to be added to engine/reference");
  hasAll(declared(), known, "no operation of the engine");
});

Deno.test("every operation is checked in value and derivatives", () => {
  hasAll(covered(), declared(), "without a case in test/reference/cases_*.ts");
});

Deno.test("no two operations have one name: equal nodes are merged by it", () => {
  equal(operations().length, new Set(operations().map(({ name }) => name)).size);
});
