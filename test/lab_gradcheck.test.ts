/** Gradients checked two ways: what is right passes, and an error on either side is found. */
import assert from "node:assert/strict";
import { parseExpression } from "../engine/lab/expression.ts";
import { gradcheck, type NamedInput } from "../engine/lab/gradcheck.ts";
import type { Runtime } from "../engine/plan/runtime.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { add, mul, type Shape, square, Tensor, Variable } from "../engine/tensor/mod.ts";
import { random, testRuntime } from "./support/check.ts";
import { fail, succeed } from "./support/cli.ts";
import { assertFits } from "./support/fits.ts";

const input = (name: string, shape: Shape): NamedInput => ({
  name,
  variable: new Variable(name, shape, random(shape).initial),
});

async function check(value: Tensor, inputs: readonly NamedInput[], orders = 2, runtime?: Runtime) {
  return await gradcheck(runtime ?? await testRuntime(), { value, inputs }, { orders, seed: 1 });
}

/** The value of an expression in float64. */
function valueOf(text: string, inputs: Readonly<Record<string, readonly number[]>>): number[] {
  const variables = new Map(
    Object.entries(inputs).map(([name, values]) =>
      [name, new Variable(name, [values.length], Float32Array.from(values))] as const
    ),
  );
  return [...interpret([parseExpression(text).build(variables)])[0]];
}

Deno.test("expression: operators, precedence, calls, constants and options are graphs", () => {
  const x = [1, 2, 3];
  assert.deepEqual(valueOf("-x + 2 * x ** 2 / 4 - 1", { x }), [-1.5, -1, 0.5]);
  assert.deepEqual(valueOf("x ** 3", { x }), [1, 8, 27]);
  assert.deepEqual(valueOf("sum(x * (2 + 3))", { x }), [30]);
  assert.deepEqual(valueOf("mean(reshape(x, [1, 3]), [1], {keepDims: true})", { x }), [2]);
  assert.deepEqual(valueOf("grad(x ** 2 * y, x)", { x, y: [5, 6, 7] }), [10, 24, 42]);
  assert.deepEqual(parseExpression("conv2d(x, w, {stride: 2}) + x * b").names, ["x", "w", "b"]);
  const [loss] = valueOf("crossEntropy(reshape(x, [1, 3]), [2])", { x });
  assert.ok(Math.abs(loss - Math.log(1 + Math.exp(-1) + Math.exp(-2))) < 1e-12);
});

Deno.test("expression: what has no meaning is named, and the nearest that has", () => {
  const x = new Map([["x", new Variable("x", [2], Float32Array.of(1, 2))]]);
  const wrong: [string, RegExp][] = [
    ["x +", /no expression/],
    ["x; y", /goes on after its end: ; y/],
    ["x % 2", /% has no meaning/],
    ["x ** 0.5", /power of another kind/],
    ["sigmod(x)", /no function sigmod; did you mean sigmoid/],
    ["sum(2)", /"sum\(2\)" gives sum something else where it takes a tensor/],
    ["sum(x, [0], {keepdim: true})", /no option keepdim; did you mean keepDims/],
    ["relu(x, x)", /gives relu 2 values, and it takes 1/],
    ["x.constructor", /has no meaning/],
    ["1 + 2", /no tensor/],
    ["(() => 1)()", /has no meaning/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(() => parseExpression(text).build(x), message, text);
  }
});

Deno.test("gradcheck: three orders of a product, with a row for each input and order", async () => {
  const [x, y] = [input("x", [2, 3]), input("y", [3])];
  const value = mul(square(x.variable), y.variable);
  const { rows, constantFrom } = await check(value, [x, y], 4);
  assert.ok(rows.every(({ ok }) => ok), JSON.stringify(rows));
  assert.deepEqual(
    rows.map(({ order, input }) => `${order} ${input ?? ""}`),
    ["0 ", "1 x", "1 y", "2 x", "2 y", "3 x", "3 y"],
  );
  // Of third degree: its third derivative is a constant.
  assert.equal(constantFrom, 4);
});

Deno.test("gradcheck: a rule that is wrong is found, in the order where it is", async () => {
  const x = input("x", [5]);
  const wrong = (factor: number): Tensor =>
    new Tensor(
      { name: "reshape", kind: "alias", gradient: (_, g) => [mul(g, factor)] },
      [x.variable],
      [5],
    );
  const orders = async (value: Tensor) =>
    (await check(value, [x])).rows.filter(({ ok }) => !ok).map(({ order }) => order);
  assert.deepEqual(await orders(square(wrong(1))), []);
  assert.ok((await orders(square(wrong(1.00001)))).includes(1));
  // d(x^2 + x a)/dx by a rule whose own derivative is off: the first order is right.
  const first = new Tensor(
    {
      name: "square",
      kind: "pointwise",
      wgsl: (v) => `(${v} * ${v})`,
      gradient: (_, g) => [mul(g, mul(wrong(3), 2))],
    },
    [x.variable],
    [5],
  );
  assert.deepEqual(await orders(first), [2]);
});

Deno.test("gradcheck: a kernel that computes something else is found", async () => {
  const runtime = await testRuntime();
  const x = input("x", [64]);
  try {
    // The engine reads another value than the oracle: one element in 64, by a thousandth.
    const values = x.variable.initial.slice();
    values[17] *= 1.001;
    runtime.write(x.variable, values);
    const { rows } = await check(add(square(x.variable), 1), [x], 1, runtime);
    assert.deepEqual(rows.map(({ ok }) => ok), [false, false]);
  } finally {
    runtime.destroy();
  }
});

Deno.test("gradcheck as a command: an expression, a network; mistakes are told", async () => {
  const conv = ["gradcheck", "conv2d(x, w, {stride: 2})", "--shapes", "x=1x5x5x2,w=3x3x2x3"];
  const stdout = await succeed(...conv, "--order", "3");
  assertFits(stdout);
  assert.match(stdout, /^order 2, w +\[3, 3, 2, 3\]/m);
  assert.match(stdout, /from order 3 on everything is zero/);
  assert.match(stdout, /all 5 are right\n$/);
  const network = JSON.parse(
    await succeed("gradcheck", "small", "--size", "8", "--width", "0.1", "--order", "1", "--json"),
  );
  assert.equal(network.rows.length, 13);
  await fail(2, /no shape and got 2x3: give --shapes/, "gradcheck", "conv2d(x, w)");
  await fail(2, /no input z/, "gradcheck", "x * y", "--shapes", "z=3");
  await fail(2, /no model smal; did you mean small/, "gradcheck", "smal");
  await fail(
    2,
    /--shapes has no effect with a classifier/,
    "gradcheck",
    "small",
    "--shapes",
    "x=3",
  );
});
