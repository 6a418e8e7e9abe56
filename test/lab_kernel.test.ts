/** Kernels studied: how they are cut out of a plan, errors by line, edited ones checked and timed. */
import assert from "node:assert/strict";
import fmaShader from "../shaders/roofline/fma.wgsl" with { type: "text" };
import mapShader from "../shaders/pointwise/map.wgsl" with { type: "text" };
import { UserError } from "../engine/errors.ts";
import { compile } from "../engine/gpu/compile.ts";
import { expandLines } from "../engine/gpu/expand.ts";
import { type Kernel, read, written } from "../engine/gpu/kernel.ts";
import { BLOCKS, PLAIN } from "../engine/gpu/kernels/target.ts";
import { placesOf, render } from "../engine/gpu/render.ts";
import { attempt, replaced } from "../engine/lab/attempt.ts";
import { duel, judge, type Round } from "../engine/lab/duel.ts";
import { Rig } from "../engine/lab/rig.ts";
import { kernelsOf, type PlannedKernel, type Unit } from "../engine/lab/unit.ts";
import { schedule } from "../engine/plan/schedule.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { draws, uniform } from "../engine/random.ts";
import {
  conv2d,
  grad,
  mul,
  relu,
  type Shape,
  sigmoid,
  sum,
  Tensor,
  Variable,
} from "../engine/tensor/mod.ts";
import { random } from "./support/check.ts";
import { testGpu } from "./support/gpu.ts";

const input = (name: string, shape: Shape) => new Variable(name, shape, random(shape).initial);

const x = input("x", [2, 9, 9, 8]);
const w = input("w", [3, 3, 8, 12]);
const y = relu(conv2d(x, w, { stride: 2, padding: 1 }));
const graph = [y, ...grad(sum(y), [x, w])];

Deno.test("units: every kernel's operands are written in its unit or read by it", () => {
  for (const target of [PLAIN, BLOCKS]) {
    const { dispatches } = schedule(graph, [], target);
    const kernels = kernelsOf(dispatches);
    assert.equal(kernels.reduce((sum, { calls }) => sum + calls, 0), dispatches.length);
    for (const { kernel, unit, at } of kernels) {
      const { dispatches, reads, writes } = unit;
      assert.equal(render(dispatches[at].kernel), render(kernel));
      for (const storage of dispatches.flatMap(({ buffers }) => buffers)) {
        if (!(storage instanceof Tensor)) continue;
        assert.notEqual(reads.includes(storage), writes.includes(storage));
      }
    }
  }
});

Deno.test("placesOf: each line of a kernel's text is the line of the file that it names", () => {
  for (const target of [PLAIN, BLOCKS]) {
    for (const { kernel } of kernelsOf(schedule(graph, [], target).dispatches)) {
      const lines = render(kernel).split("\n");
      const places = placesOf(kernel);
      assert.equal(places.length, lines.length, kernel.label);
      const source = kernel.shader.split("\n");
      for (const [i, place] of places.entries()) {
        const [, number] = /^shader line (\d+)$/.exec(place) ?? [];
        if (number === undefined) continue;
        const own = source[Number(number) - 1];
        if (!/^const \w+: /.test(own)) assert.equal(lines[i], own, `${kernel.label}: ${place}`);
      }
    }
  }
});

/** A map over x with a text of its own. */
function mapped(shader: string, file?: string): { planned: PlannedKernel; edited: Kernel } {
  const [planned] = kernelsOf(schedule([mul(LARGE, sigmoid(LARGE))], [], PLAIN).dispatches);
  return { planned, edited: { ...planned.kernel, shader, file } };
}
const LARGE = input("x", [1024, 1024]);

Deno.test("an error names the file's own line, in code that is unrolled too", async () => {
  const gpu = await testGpu();
  const message = (kernel: Kernel) =>
    compile(gpu, kernel).then(() => "", (error) => {
      assert.ok(error instanceof UserError);
      return error.message;
    });
  const line = mapShader.split("\n").findIndex((text) => text.includes("let n = thread")) + 1;
  const wrong = mapShader.replace("let n = thread", "let n = thred");
  const found = await message(mapped(wrong, "mine.wgsl").edited);
  assert.match(found, new RegExp(`^mine.wgsl:${line}: no definition.*thred.*: let n = thred`));
  const inSlot = { ...mapped(mapShader).planned.kernel };
  const slots = { ...inSlot.slots, chain: `${inSlot.slots!.chain}\nlet q = nothing;` };
  assert.match(await message({ ...inSlot, slots }), /^line \d+ of the shader's slot chain: /);

  const unrolled = [
    "// begin operands",
    "// end operands",
    "@compute @workgroup_size(1)",
    "fn main() {",
    "  // @unroll",
    "  for (var i = 0u; i < 3u; i++) {",
    "    y[i] = nothing;",
    "  }",
    "}",
  ].join("\n");
  const kernel = { ...base, shader: unrolled, operands: [written("y", "f32")], constants: {} };
  assert.match(await message(kernel), /^shader line 7: .*nothing/);
  const places = expandLines(render(kernel), placesOf(kernel)).map(({ place }) => place);
  assert.equal(places.filter((place) => place === "shader line 7").length, 3);
});

const base: Kernel = {
  label: "multiply-adds",
  shader: fmaShader,
  operands: [read("x", "f32"), written("y", "f32")],
  constants: { CHAINS: 8, ROUNDS: 60, STEPS: 8 },
  workgroups: 64,
  flops: 0,
  bytes: 0,
};

Deno.test("replaced: a shader of its own, one that lends a slot, and neither", () => {
  const { planned } = mapped(mapShader);
  assert.equal(replaced(planned.kernel, mapShader, "other", "f")!.shader, "other");
  assert.equal(replaced(planned.kernel, fmaShader, "other", "f"), undefined);
  const lender = "// begin chain\nlet a = 1;\n// end chain\n";
  const lent = { ...planned.kernel, slots: { ...planned.kernel.slots, chain: "let a = 1;" } };
  assert.equal(replaced(lent, lender, lender.replace("1", "2"), "f")!.slots!.chain, "let a = 2;");
});

const END = "    // end chain\n";

Deno.test("attempt: finds one element in a million, wherever it is, and passes what is right", async () => {
  const runtime = new Runtime(await testGpu(), PLAIN);
  const values = new Map([[LARGE, LARGE.initial]]);
  const tried = async (shader: string) => {
    const { planned, edited } = mapped(shader);
    return (await attempt(runtime, planned, edited, values, 0)).differences[0];
  };
  const same = await tried(mapShader);
  assert.deepEqual([same.differing, same.wrong], [0, 0]);
  for (const at of [0, 77_777, 262_143]) {
    const planted = `${END}    if (i == ${at}u) { y0[i].z += 0.001; }\n`;
    const one = await tried(mapShader.replace(END, planted));
    assert.deepEqual([one.differing, one.wrong, one.firstWrong!.at], [1, 1, 4 * at + 2]);
  }
  const begin = "    // begin chain\n";
  const skipped = await tried(mapShader.replace(begin, `    if (i == 3u) { continue; }\n${begin}`));
  assert.deepEqual([skipped.wrong, skipped.firstWrong!.at], [4, 12]);
  assert.ok(Number.isNaN(skipped.firstWrong!.edited));
  // A bit of rounding is no mistake.
  const rounded = await tried(mapShader.replace(END, `${END}    y0[i] = y0[i] * F(1.0000001);\n`));
  assert.ok(rounded.differing > 0);
  assert.equal(rounded.wrong, 0);
});

/** Times of a busy machine: every second one is disturbed, some by a multiple. */
function busy(seed: number, slower: number): Round[] {
  const draw = draws(seed, 0);
  let at = 0;
  const time = (ms: number) => {
    const [jitter, disturbed, by] = [draw(at++), draw(at++), draw(at++)].map(uniform);
    return ms * (1 + 0.01 * jitter) * (disturbed < 0.5 ? 1 + 3 * by : 1);
  };
  return Array.from({ length: 512 }, () => ({
    first: [time(1), time(1)],
    second: [time(slower), time(slower)],
  }));
}

Deno.test("judge: 10 % slower is slower each time in 20, and the same is within the noise", () => {
  for (let seed = 0; seed < 20; seed++) {
    assert.equal(judge(busy(seed, 1.1)).verdict, "slower");
    assert.equal(judge(busy(seed, 1 / 1.1)).verdict, "faster");
    const same = judge(busy(seed, 1));
    assert.equal(same.verdict, "within the noise");
    assert.ok(same.low < 1 && same.high > 1 && same.high / same.low < 1.05);
  }
});

/** Rigs of a kernel that does so many rounds of multiply-adds each. */
async function rigs(runtime: Runtime, ...works: readonly number[]): Promise<Rig[]> {
  const node = sigmoid(input("y", [64 * 64]));
  const operand = input("x", [2]);
  const values = new Map([[operand, Float32Array.of(0.999, 0.001)]]);
  return await Promise.all(works.map((rounds) => {
    const kernel = { ...base, constants: { ...base.constants, ROUNDS: rounds } };
    const unit: Unit = {
      dispatches: [{ kernel, buffers: [operand, node], node }],
      reads: [operand],
      writes: [node],
    };
    return Rig.make(runtime, unit, values);
  }));
}

Deno.test("duel: twice the work is slower, the same code is not", async () => {
  const runtime = new Runtime(await testGpu(), PLAIN);
  const [first, twice] = await rigs(runtime, 60, 120);
  try {
    const [used] = first.commands;
    const slower = await duel(runtime.gpu, used, twice.commands[0], 5);
    assert.equal(slower.verdict, "slower");
    assert.ok(slower.low <= slower.ratio && slower.ratio <= slower.high);
    assert.equal((await duel(runtime.gpu, used, used, 2)).verdict, "within the noise");
  } finally {
    first.destroy();
    twice.destroy();
  }
});

const slow = Deno.env.get("MODEL_DOCTOR_SLOW") === "1";

Deno.test({
  name: `duel: a tenth more work is slower each time in 20${
    slow ? "" : " (skipped: set MODEL_DOCTOR_SLOW=1)"
  }`,
  ignore: !slow,
  fn: async () => {
    const runtime = new Runtime(await testGpu(), PLAIN);
    const [first, more] = await rigs(runtime, 200, 220);
    try {
      for (let time = 0; time < 20; time++) {
        const found = await duel(runtime.gpu, first.commands[0], more.commands[0]);
        assert.equal(found.verdict, "slower", `${time}: ${JSON.stringify(found)}`);
      }
    } finally {
      first.destroy();
      more.destroy();
    }
  },
});
