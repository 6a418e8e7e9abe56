/** Kernels for readers: their text with places and comments, and what MODEL_DOCTOR_DEBUG prints. */

import assert from "node:assert/strict";
import { annotated, factsOf } from "../engine/gpu/annotate.ts";
import { requestGpu } from "../engine/gpu/adapter.ts";
import { takenBranches } from "../engine/gpu/branches.ts";
import { expandLines } from "../engine/gpu/expand.ts";
import { BLOCKS, PLAIN } from "../engine/gpu/kernels/target.ts";
import { placesOf, render } from "../engine/gpu/render.ts";
import { debugLevel, kernelLog } from "../engine/host/kernel_log.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { schedule } from "../engine/plan/schedule.ts";
import { conv2d, grad, relu, sum } from "../engine/tensor/mod.ts";
import { complaints } from "./dawn/validator.ts";
import { random } from "./support/check.ts";
import { assertFits } from "./support/fits.ts";
import { testGpu } from "./support/gpu.ts";

const x = random([2, 9, 9, 8]);
const w = random([3, 3, 8, 12]);
const y = relu(conv2d(x, w, { stride: 2, padding: 1 }));
const graph = [y, ...grad(sum(y), [x, w])];

Deno.test("annotated: valid, every line's place is where its text stands, comments once", async () => {
  const texts: string[] = [];
  for (const target of [PLAIN, BLOCKS]) {
    for (const { kernel, buffers } of schedule(graph, [], target).dispatches) {
      const text = annotated(kernel, "mine.wgsl");
      texts.push(text);
      const source = render(kernel).split("\n");
      const places = placesOf({ ...kernel, file: "mine.wgsl" });
      const comments = source.map((line) => line.trim()).filter((line) => line.startsWith("// C"));
      for (const line of text.split("\n")) {
        const [, code, place] = /^(.*?) +\/\/ (mine\.wgsl:\d+)/.exec(line) ?? [];
        if (place === undefined || !/^(const|fn) /.test(code)) continue;
        assert.ok(source[places.indexOf(place)].startsWith(code), `${kernel.label}: ${line}`);
      }
      assert.ok(comments.length > 0, "a shader's header says its cost");
      for (const comment of comments) assert.equal(text.split(comment).length, 2, comment);
      const shapes = buffers.map(({ shape }) => shape);
      assert.equal(
        factsOf(kernel, shapes).filter((fact) => fact.startsWith("binding")).length,
        kernel.operands.length,
      );
    }
  }
  assert.deepEqual((await complaints(texts)).filter((complaint) => complaint !== null), []);
});

const BRANCHES = `
const A: u32 = 2u;
const YES: bool = true;
fn f(n: u32) -> u32 {
  if (YES) {
    if (!YES || A * 2u > 4u) {
      a();
    } else {
      b();
    }
  } else {
    c();
  }
  if (n < A) {
    d();
  }
  if (A == 3u) {
    for (var i = 0u; i < n; i++) {
      e();
    }
  }
  if (A == 2u && YES) {
    g();
  } else if (n > 1u) {
    h();
  }
  if (n > 5u) {
    if (YES) {
      return 1u;
    }
    i();
  }
  if (YES) {
    return 2u;
  }
  return j();
}`;

Deno.test("takenBranches: what constants rule out is gone, everything else stays", () => {
  const text = takenBranches(expandLines(BRANCHES)).map((line) => line.text.trim()).join(" ");
  assert.match(text, /\{ \{ \{ b\(\); \} \} if \(n < A\) \{ d\(\); \} if \(A == 2u && YES\)/);
  assert.match(
    text,
    /g\(\); \} else if \(n > 1u\) \{ h\(\); \} if \(n > 5u\) \{ \{ return 1u; \} \} \{ return 2u; \} \}$/,
  );
  assert.doesNotMatch(text, /\b[aceij]\(\)/);
});

Deno.test("MODEL_DOCTOR_DEBUG: each level prints what the one before does, and more", async () => {
  await testGpu(); // prepares the machine
  const printed: string[] = [];
  for (const level of [0, 1, 2, 3, 4]) {
    const lines: string[] = [];
    const log = kernelLog(level, (text) => lines.push(text));
    const gpu = await requestGpu({ log });
    const runtime = new Runtime(gpu, PLAIN);
    const plan = await runtime.plan({ outputs: { y } });
    plan.run();
    plan.run();
    await plan.read("y");
    plan.destroy();
    gpu.destroy();
    printed.push(lines.join("\n"));
  }
  const [none, made, ran, bound, written] = printed;
  [made, ran, bound].forEach(assertFits);
  assert.equal(none, "");
  assert.match(made, /^made {2}conv 3x3\/2 forward .*, \d+\.\d ms$/m);
  assert.doesNotMatch(made, /^run/m);
  assert.match(
    ran,
    /^run 2: 1 kernels\n {3}1 {2}conv 3x3\/2 forward .* workgroups,\n {6}.* MFLOP/m,
  );
  assert.match(bound, /^ {6}binding 1: joint, .* \[3, 3, 8, 12\]$/m);
  assert.match(bound, /^ {6}constants: [^:]*\bSTRIDE_H\s+2/m);
  assert.match(written, /^@compute .* \/\/ shader line \d+$/m);
  printed.reduce((less, more) => (assert.ok(more.length > less.length), more));
});

Deno.test("MODEL_DOCTOR_DEBUG: levels are 1 to 4, and another is a mistake", () => {
  assert.deepEqual([undefined, "", "0", "3"].map(debugLevel), [0, 0, 0, 3]);
  assert.throws(() => debugLevel("5"), /MODEL_DOCTOR_DEBUG is "5"/);
  assert.throws(() => debugLevel("yes"), /no such level/);
});
