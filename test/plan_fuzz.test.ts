/**
 * Random graphs: whatever operations are composed, a plan computes what the oracle does, on a CPU
 * adapter's kernels and on a GPU's. Here is where the passes of engine/plan (merging, taking factors
 * out of sums, fusing, joining, writing in place, reusing memory) meet combinations that nobody
 * thought of. MODEL_DOCTOR_FUZZ=n makes n graphs of each kind, where time allows.
 */

import { deepEqual, ok } from "node:assert/strict";
import { BLOCKS, cpuTarget } from "../engine/gpu/kernels/target.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import * as t from "../engine/tensor/mod.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { testGpu } from "./support/gpu.ts";
import { arrayGraph, type Graph } from "./support/random_arrays.ts";
import { imageGraph } from "./support/random_images.ts";

const asked = Number(Deno.env.get("MODEL_DOCTOR_FUZZ") ?? 0);
/** How many graphs are made in a run of all tests, and in one test. */
const KINDS = [
  { what: "arrays", make: arrayGraph, graphs: asked || 20, each: 10 },
  { what: "images", make: imageGraph, graphs: asked || 6, each: 2 },
];

/** One runtime for each family of kernels, so that equal ones are compiled once. */
let shared: Promise<readonly Runtime[]> | undefined;
async function makeRuntimes(): Promise<readonly Runtime[]> {
  const gpu = await testGpu();
  return [cpuTarget(gpu.subgroupSize), BLOCKS].map((target) => new Runtime(gpu, target));
}

const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.hypot(...Array.from(a, (v, i) => v - b[i]));

/** What a run leaves: the outputs' and then the assigned variables' values. */
async function run(runtime: Runtime, { outputs, assign }: Graph): Promise<t.HostArray[]> {
  const names = outputs.map((_, k) => `${k}`);
  const named = Object.fromEntries(outputs.map((output, k) => [names[k], output]));
  const plan = await runtime.plan({ outputs: named, assign });
  try {
    plan.run();
    return [...await plan.read(...names), ...await runtime.read(assign.map(([target]) => target))];
  } finally {
    plan.destroy();
    runtime.destroy();
  }
}

/** Runs the graph with each family's kernels and compares all that it computes with the oracle. */
async function check(graph: Graph): Promise<void> {
  const tensors = [...graph.outputs, ...graph.assign.map(([, value]) => value)];
  const wanted = interpret(tensors);
  const rounded = interpret(tensors, new Map(), true);
  for (const [family, runtime] of (await (shared ??= makeRuntimes())).entries()) {
    const found = await run(runtime, graph);
    for (const [k, tensor] of tensors.entries()) {
      const error = distance(found[k], wanted[k]);
      const scale = Math.hypot(...wanted[k]);
      // A graph may lose digits of its own, by cancellation say, and the plan's order of
      // operations is not the oracle's.
      const own = tensor.dtype === "u32" ? 0 : 1e-5 * scale + 1e-5;
      const allowed = own + 30 * distance(rounded[k], wanted[k]);
      const what = `${k} (${tensor}) is off by ${error} of ${scale}`;
      ok(error <= allowed, `${what}, for ${["CPU adapters", "GPUs"][family]}`);
    }
  }
}

Deno.test("random graphs hold every operation", () => {
  const names = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    for (const { outputs, assign } of KINDS.map(({ make }) => make(seed))) {
      const asked = [...outputs, ...assign.map(([, value]) => value)];
      for (const { operation } of t.ancestors(...asked)) names.add(operation.name);
    }
  }
  // What a plan is fed has tests of its own: test/train_batches.test.ts.
  const declared = t.operations().map(({ name }) => name).filter((name) => name !== "input");
  deepEqual(declared.filter((name) => !names.has(name)), []);
});

for (const { what, make, graphs, each } of KINDS) {
  for (let first = 0; first < graphs; first += each) {
    const last = Math.min(first + each, graphs) - 1;
    Deno.test(`random graphs of ${what}, ${first} to ${last}`, async () => {
      for (let seed = first; seed <= last; seed++) {
        await check(make(seed)).catch((error) => {
          throw new Error(`graph ${seed}: ${error.message}`, { cause: error });
        });
      }
    });
  }
}
