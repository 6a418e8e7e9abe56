/** Operations with the kernels that GPUs get, run here on whatever adapter there is. */
import assert from "node:assert/strict";
import { BLOCKS } from "../engine/gpu/kernels/target.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import * as t from "../engine/tensor/mod.ts";
import { reductionCases } from "./reference/cases_reduce.ts";
import { compare, type Errors, random } from "./support/check.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { relativeError, testGpu } from "./support/gpu.ts";

const runtime = async () => new Runtime(await testGpu(), BLOCKS);

for (const each of reductionCases) {
  Deno.test(`${each.name}, for GPUs`, async () => {
    const errors: Errors = await compare(each, undefined, await runtime());
    assert.ok(errors.every((error) => error <= each.tolerance));
  });
}

// Extents that leave lanes, columns and parts of the tree without work, and one that fills it.
const SHAPES = [[1, 5000, 12], [3, 77, 1], [2, 333, 40], [2, 16, 3], [1, 4096, 16], [5, 129, 5]];
for (const shape of SHAPES) {
  Deno.test(`sum and max over the middle of ${shape.join(" x ")}, for GPUs`, async () => {
    const x = random(shape);
    const tensors = [t.sum(t.square(x), [1]), t.max(x, [1])];
    const on = await runtime();
    const found = await on.evaluate(tensors);
    const again = await on.evaluate(tensors);
    on.destroy();
    assert.deepEqual(found, again);
    interpret(tensors).forEach((wanted, i) => assert.ok(relativeError(found[i], wanted) < 1e-6));
  });
}
