import assert from "node:assert/strict";
import { ExitCode, UserError } from "../engine/errors.ts";
import { BatchNorm2d } from "../engine/nn/layers.ts";
import { run, Sequential } from "../engine/nn/module.ts";
import { Input } from "../engine/tensor/tensor.ts";

Deno.test("batch normalisation over one value is refused in training, as PyTorch refuses it", () => {
  const network = new Sequential(new BatchNorm2d(4));
  const apply = (shape: number[], training: boolean) =>
    run(network, new Input("x", shape), { training }).output.shape;
  // PyTorch: Expected more than 1 value per channel when training.
  assert.throws(() => apply([1, 1, 1, 4], true), (error) => {
    assert.ok(error instanceof UserError);
    assert.equal(error.exitCode, ExitCode.usage);
    assert.match(error.message, /^batch normalisation 0 .* one value .*\[1, 1, 1, 4\]$/);
    assert.match(error.hint!, /--batch/);
    return true;
  });
  for (const shape of [[2, 1, 1, 4], [1, 1, 2, 4], [1, 2, 1, 4]]) {
    assert.deepEqual(apply(shape, true), shape);
  }
  assert.deepEqual(apply([1, 1, 1, 4], false), [1, 1, 1, 4]);
});
