/** Graphs as they are shown: nodes by order, plans whose kernels read what others wrote, drawings. */
import assert from "node:assert/strict";
import { PLAIN } from "../engine/gpu/kernels/target.ts";
import { dotOf, svgOf } from "../engine/lab/dot.ts";
import { parseExpression } from "../engine/lab/expression.ts";
import { type Graphs, graphsOf, shownOf } from "../engine/lab/graph.ts";
import { type Shown, stagesOf } from "../engine/lab/stages.ts";
import { subjectOf } from "../engine/lab/subject.ts";
import { simplify } from "../engine/plan/simplify.ts";
import { float64 } from "../engine/reference/float64.ts";
import { type Shape, Variable } from "../engine/tensor/mod.ts";
import { numel } from "../engine/tensor/shape.ts";
import { fail, succeed } from "./support/cli.ts";
import { assertFits } from "./support/fits.ts";

function graphs(text: string, shapes: Readonly<Record<string, Shape>>, orders: number): Graphs {
  const inputs = Object.entries(shapes).map(([name, shape]) => ({
    name,
    variable: new Variable(name, shape, new Float32Array(numel(shape))),
  }));
  const variables = new Map(inputs.map(({ name, variable }) => [name, variable]));
  return graphsOf({ value: parseExpression(text).build(variables), inputs }, orders, PLAIN);
}

Deno.test("graph: each order lists what it adds, in words of operands and results", () => {
  const { orders, plan } = graphs("sum(x * x * 3)", { x: [4] }, 3);
  assert.deepEqual(orders[0].map(({ what }) => what).slice(0, 3), ["variable", "mul", "mul"]);
  assert.deepEqual(orders[0][2].operands, ["n1", "3"]);
  assert.deepEqual(orders[0].at(-1)!.results, ["value"]);
  assert.ok(orders[1].some(({ results }) => results.includes("d/dx")));
  assert.ok(orders[2].some(({ results }) => results.includes("d2/dx")));
  // x^2's third derivative is nothing: no path leads to x.
  assert.equal(orders.length, 4);
  assert.deepEqual(orders[3], []);
  const names = orders.flat().map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  const results = plan.flatMap(({ results }) => results);
  for (const result of ["value", "d/dx", "d2/dx"]) assert.ok(results.includes(result), result);
});

Deno.test("graph: a plan's kernels read inputs and what was written before", () => {
  const shapes = { x: [2, 6, 6, 4], w: [3, 3, 4, 8], g: [8], b: [8] };
  const { plan, memory } = graphs("relu(batchNorm(conv2d(x, w), g, b))", shapes, 2);
  const known = new Set(Object.keys(shapes));
  for (const { name, operands } of plan) {
    for (const operand of operands) assert.ok(known.has(operand), `${name} reads ${operand}`);
    for (const written of name.split(" ")) known.add(written);
  }
  assert.ok(plan.some(({ what }) => /^conv 3x3\/1 weight gradient/.test(what)));
  assert.ok(memory.values.bytes < memory.values.withoutReuse);
});

Deno.test("stages: merged, simplified and fused, a graph has fewer nodes and the same values", () => {
  const cases = [
    ["sum(sigmoid(x) * sigmoid(x))", ["x=2x3"], 2],
    ["sum(square(x) * exp(-square(x)))", ["x=5"], 3],
    [
      "sum(square(relu(batchNorm(conv2d(x, w), g, b))))",
      ["x=2x5x5x2", "w=3x3x2x4", "g=4", "b=4"],
      2,
    ],
  ] as const;
  for (const [text, shapes, order] of cases) {
    const stages = stagesOf(subjectOf(text, { shapes: [...shapes] }), order, PLAIN);
    const { written, merged, simplified, fused, fates } = stages;
    assert.ok(merged.length < written.length, text);
    assert.ok(simplified.length <= merged.length, text);
    assert.equal(fused.length, simplified.length);
    // As a plan has it, which does both at one go.
    const outputs = written.filter(({ node }) => node.results.length > 0).map((of) => of.tensor);
    assert.equal(
      shownOf(simplify(outputs).nodes).filter(({ inputs }) => inputs.length > 0).length,
      simplified.filter(({ node }) => node.kind === "operation").length,
      text,
    );
    const values = [written, merged, simplified].map(resultsOf);
    for (const found of values.slice(1)) {
      assert.deepEqual([...found.keys()].sort(), [...values[0].keys()].sort());
      for (const [name, value] of values[0]) {
        value.forEach((v, i) =>
          assert.ok(Math.abs(v - found.get(name)![i]) <= 1e-12 * Math.max(1, Math.abs(v)), name)
        );
      }
    }
    // Merging changes no operation, and what it names is there.
    assert.ok(fates.merged.every(({ kind }) => kind !== "rewritten"));
    assert.ok(fates.merged.some(({ kind }) => kind === "merged"));
    for (const [at, all] of [[merged, fates.merged], [simplified, fates.simplified]] as const) {
      const names = new Set(at.map(({ node }) => node.name));
      assert.equal(names.size, at.length, "no name twice");
      for (const { kind, name, by } of all) {
        if (kind === "stays") assert.ok(names.has(name));
        if (kind === "merged" || kind === "rewritten") assert.ok(names.has(by!), `${name} ${by}`);
      }
    }
  }
});

/** The values of a stage's nodes that are something of the whole, in float64. */
function resultsOf(nodes: readonly Shown[]): Map<string, Float64Array> {
  const named = nodes.filter(({ node }) => node.results.length > 0);
  const tensors = named.map(({ tensor }) => tensor);
  const { values } = float64(tensors, new Map(), undefined, { simplified: false });
  return new Map(
    named.flatMap(({ node }, i) => node.results.map((name) => [name, values[i]] as const)),
  );
}

Deno.test("graph: the drawing has a box for every node, an arrow for every operand", async () => {
  const { orders } = graphs("sum(sigmoid(x) * y)", { x: [2, 3], y: [3] }, 1);
  const nodes = orders.flat();
  const svg = await svgOf(orders);
  assert.equal(
    [...svg.matchAll(/class="node"/g)].length,
    [...dotOf(orders).matchAll(/label=/g)].length,
  );
  assert.ok([...svg.matchAll(/class="node"/g)].length >= nodes.length);
  const operands = nodes.flatMap(({ operands }) => operands).length;
  assert.equal([...svg.matchAll(/class="edge"/g)].length, operands);
  assert.equal(svg, await svgOf(orders));
});

Deno.test("graph as a command: text, drawings, a plan without an adapter", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const args = ["graph", "relu(conv2d(x, w))", "--shapes", "x=1x6x6x4,w=3x3x4x8"];
    const stdout = await succeed(...args, "--target", "gpu", "--svg", folder);
    assertFits(stdout);
    assert.match(stdout, /^value\n/);
    assert.match(stdout, /\ngradient\n/);
    assert.match(stdout, /plan: \d+ kernels/);
    assert.match(stdout, /conv 3x3\/1 weight gradient/);
    assert.ok(stdout.split("\n").every((line) => line.length <= 100));
    for (const file of ["graph.svg", "plan.svg"]) {
      assert.match(await Deno.readTextFile(`${folder}/${file}`), /<svg[^]*d\/dw/);
    }
    await fail(2, /EXPRESSION\|MODEL is missing/, "graph");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
