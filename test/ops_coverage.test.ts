/** No operation of the engine goes unchecked: each occurs in the cases of the three-way check. */

import { deepEqual } from "node:assert/strict";
import { ancestors } from "../engine/tensor/mod.ts";
import { batchCases, convolutionCases, poolCases } from "./reference/cases_image.ts";
import { movementCases, pointwiseCases } from "./reference/cases_pointwise.ts";
import { lossCases, productCases, reductionCases } from "./reference/cases_reduce.ts";
import { operations } from "./reference/interpreter.ts";
import { derivatives } from "./support/check.ts";

const leaves = new Set(["variable", "input"]);

/** Every place in the engine's sources where an operation gets its name. */
const declarations = [
  /\bname: "(\w+)",\s*kind: "/g,
  /\bwithGradient\(\s*"(\w+)"/g,
  /^ {2}\| "(\w+)";?$/gm, // the names of pointwise.ts's table
];

async function declared(folder = new URL("../engine/", import.meta.url)): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isDirectory) {
      for (const name of await declared(new URL(`${entry.name}/`, folder))) names.add(name);
      continue;
    }
    const source = await Deno.readTextFile(new URL(entry.name, folder));
    for (const pattern of declarations) {
      for (const [, name] of source.matchAll(pattern)) if (!leaves.has(name)) names.add(name);
    }
  }
  return names;
}

function covered(): Set<string> {
  const cases = [pointwiseCases, movementCases, reductionCases, productCases, lossCases];
  const names = new Set<string>();
  for (const each of [...cases, convolutionCases, poolCases, batchCases].flat()) {
    const { value, orders } = derivatives(each);
    const all = orders.flatMap(({ gradients }) => gradients.filter((g) => g !== undefined));
    for (const node of ancestors(value, ...all)) {
      if (!leaves.has(node.operation.name)) names.add(node.operation.name);
    }
  }
  return names;
}

const sorted = (names: Iterable<string>) => [...names].sort();

Deno.test("the oracle knows the engine's operations and no others", async () => {
  deepEqual(sorted(operations.keys()), sorted(await declared()));
});

Deno.test("every operation is checked in value and derivatives", async () => {
  deepEqual(sorted(covered()), sorted(await declared()));
});
