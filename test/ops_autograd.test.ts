/** What `grad` and `gradients` promise, whatever the operations. */

import { deepEqual, equal, match, throws } from "node:assert/strict";
import { inspect } from "node:util";
import * as t from "../engine/tensor/mod.ts";
import { evaluate, indices, random, values } from "./support/check.ts";

const numbers = async (...tensors: t.Tensor[]) =>
  (await evaluate(tensors)).map((value) => Array.from(value));

Deno.test("a gradient sums over every path", async () => {
  const x = values([2], 3, -2);
  const y = t.mul(x, x);
  deepEqual(await numbers(...t.grad(t.sum(t.add(t.mul(y, x), t.mul(y, 2))), [x])), [[39, 4]]);
});

Deno.test("a gradient can be asked for at any node, the output included", async () => {
  const x = values([2], 1, 2);
  const y = t.square(x);
  const z = t.sum(t.square(y));
  deepEqual(await numbers(...t.grad(z, [z, y, x])), [[1], [2, 8], [4, 32]]);
});

Deno.test("a seed weighs the outputs; without one gradients sums them, and grad wants a scalar", async () => {
  const x = values([3], 1, 2, 3);
  const y = t.square(x);
  deepEqual(await numbers(t.gradients(y, [x])[0]!), [[2, 4, 6]]);
  throws(() => t.grad(y, [x]), /^UserError: grad: the output square \[3\] is no scalar$/);
  deepEqual(await numbers(...t.grad(y, [x], values([3], 1, 0, -1))), [[2, 0, -6]]);
});

Deno.test("no path gives undefined, zeros, or an error that says which input", async () => {
  const [x, other] = [values([2], 1, 2), values([2], 3, 4)];
  deepEqual(t.gradients(t.square(x), [other]), [undefined]);
  deepEqual(await numbers(...t.gradOrZeros(t.square(x), [other])), [[0, 0]]);
  throws(
    () => t.grad(t.sum(t.square(x)), [x, other]),
    /no differentiable path .* input 1, variable/,
  );
});

Deno.test("what is constant to the gradient stops it", () => {
  const x = random([2, 3]);
  const key = indices(0, 1);
  for (
    const y of [
      t.detach(x),
      t.sign(x),
      t.greater(x, 0),
      t.equal(x, x),
      t.takeRows(x, indices(1, 0)),
      t.toFloat(t.argmax(x)),
      t.greater(t.uniform(key, [3], "s"), t.sum(x, [0])),
    ]
  ) {
    deepEqual(t.gradients(y, [x]), [undefined], `${y}`);
  }
});

Deno.test("derivatives of any order", async () => {
  const x = values([3], 1, -2, 0.5);
  let y: t.Tensor = t.square(t.square(x)); // x^4
  const found: t.Tensor[] = [];
  for (let order = 1; order <= 5; order++) found.push(y = t.gradOrZeros(t.sum(y), [x])[0]);
  deepEqual(await numbers(...found), [
    [4, -32, 0.5],
    [12, 48, 3],
    [24, -48, 12],
    [24, 24, 24],
    [0, 0, 0],
  ]);
});

Deno.test("the gradient of a gradient's norm: the mixed second derivatives", async () => {
  // f = a^2 b, |df/da|^2 = 4 a^2 b^2
  const [a, b] = [values([], 3), values([], 5)];
  const [g] = t.grad(t.mul(t.square(a), b), [a]);
  deepEqual(await numbers(...t.grad(t.square(g), [a, b])), [[600], [360]]);
});

Deno.test("a wide graph differentiates in linear time", () => {
  const x = random([4]);
  let y: t.Tensor = x;
  for (let k = 0; k < 2000; k++) y = t.add(y, t.mul(y, 0.5)); // 2^2000 paths
  equal(t.grad(t.sum(y), [x]).length, 1);
});

Deno.test("a tensor shows itself: what it is made of, a variable's values, its order", () => {
  const x = values([2, 4], 1, 2.5, -1 / 3, 4, 5, 6, 7, 8);
  equal(
    inspect(x),
    "Variable values [2, 4] f32: 1, 2.5, -0.3333, 4, 5, 6, .. (8 values)",
  );
  equal(
    inspect(t.mul(x, 2)),
    "Tensor mul [2, 4] f32; of variable values [2, 4], broadcastTo [2, 4]",
  );
  equal(inspect(new t.Input("rate", [])), "Input rate [] f32");
  const [gradient] = t.grad(t.sum(t.square(x)), [x]);
  match(Deno.inspect(gradient), /^Tensor mul \[2, 4\] f32; of .*; gradient of order 1$/);
});
