/** The ladder of a convolution kernel: every rung right, their bits alike, and banks as counted. */

import assert from "node:assert/strict";
import { UserError } from "../engine/errors.ts";
import { render } from "../engine/gpu/render.ts";
import {
  LADDER,
  type LadderShape,
  requireLadderShape,
  type Rung,
  splitsOf,
} from "../engine/lab/ladder.ts";
import { cyclesOf, LAYOUTS, ROW, weightCycles } from "../engine/lab/ladder_banks.ts";
import { Ladder } from "../engine/lab/ladder_run.ts";
import { PLAIN } from "../engine/gpu/kernels/target.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { testGpu } from "./support/gpu.ts";

/** Pixels that are no whole tiles, channels that are no whole blocks. */
const ODD: LadderShape = { batch: 3, height: 5, width: 7, inChannels: 16, outChannels: 68 };
/** Few pixels, in images of one row, and a long sum. */
const DEEP: LadderShape = { batch: 2, height: 1, width: 9, inChannels: 136, outChannels: 4 };

async function climb(rungs: readonly Rung[], shape: LadderShape) {
  const ladder = await Ladder.make(new Runtime(await testGpu(), PLAIN), rungs, shape);
  try {
    return { checked: await ladder.check(), timed: await ladder.time(0) };
  } finally {
    ladder.destroy();
  }
}

Deno.test("ladder: every rung is right, repeats its bits, and has the first one's up to the split", async () => {
  for (const shape of [ODD, DEEP]) {
    const { checked, timed } = await climb(LADDER, shape);
    for (const [i, { name }] of LADDER.entries()) {
      assert.ok(checked[i].right && checked[i].error < 0.5, `${name}: ${checked[i].error}`);
      assert.ok(checked[i].repeats, name);
      if (name !== "split_sums") assert.equal(checked[i].differing, 0, name);
      assert.ok(timed[i].ms > 0 && timed[i].ms <= timed[i].high, name);
    }
  }
});

Deno.test("ladder: a rung with a mistake in one place is wrong", async () => {
  const some = LADDER.filter(({ name }) => /naive|swizzle|split/.test(name));
  const broken = some.map((rung): Rung => ({
    ...rung,
    stages: (shape) =>
      rung.stages(shape).map((stage) => {
        const { shader } = stage.kernel;
        const planted = shader.replace(
          /^( *)(y|parts)\[(.+)\] = (.+);$/m,
          (_, indent, y, at, value) =>
            `${indent}${y}[${at}] = ${value} * select(1.0, 1.001, ${at} == 9u);`,
        );
        assert.notEqual(planted, shader, rung.name);
        return { ...stage, kernel: { ...stage.kernel, shader: planted } };
      }),
  }));
  const { checked } = await climb(broken, DEEP);
  for (const [i, { name }] of some.entries()) assert.ok(!checked[i].right, name);
});

Deno.test("ladder: sums are split where workgroups are few, and whole slabs are", () => {
  assert.deepEqual(splitsOf({ batch: 1, height: 8, width: 8, inChannels: 512, outChannels: 512 }), {
    splits: 32,
    slabs: 18,
  });
  assert.equal(splitsOf({ ...ODD, batch: 512 }).splits, 2);
  assert.throws(() => requireLadderShape({ ...ODD, inChannels: 12 }), UserError);
  assert.throws(() => requireLadderShape({ ...ODD, outChannels: 6 }), /vec4s, and 6/);
});

Deno.test("banks: eight cycles without padding, one with it or with the swizzle", () => {
  assert.equal(cyclesOf([0, 0, 0, 0, 0, 0, 0, 0]), 1);
  assert.equal(cyclesOf([0, 8, 1, 9, 2, 10, 3, 11]), 2);
  for (let at = 0; at < ROW; at++) {
    assert.equal(weightCycles(LAYOUTS.double_buffer, at), 8);
    assert.equal(weightCycles(LAYOUTS.bank_padding, at), 1);
    assert.equal(weightCycles(LAYOUTS.swizzle, at), 1);
  }
  // Each keeps its elements apart.
  for (const layout of Object.values(LAYOUTS)) {
    const places = new Set<number>();
    for (let i = 0; i < 8 * ROW; i++) places.add(layout(Math.floor(i / ROW), i % ROW));
    assert.equal(places.size, 8 * ROW);
  }
});

Deno.test("ladder: what a rung says of its memory is what its shader declares", () => {
  for (const rung of LADDER) {
    const text = render(rung.stages(ODD)[0].kernel);
    const value = (name: string): number => {
      const [, text_] = new RegExp(`^const ${name}: u32 = (.+?);`, "m").exec(text)!;
      return Function(
        `return ${
          text_.replace(/\b([A-Z_]+)\b/g, (_, other) => `${value(other)}`).replace(/(\d)u\b/g, "$1")
        }`,
      )();
    };
    const declared = [
      ...text.matchAll(/^var<workgroup> \w+: .*?vec4<f32>, (\w+)>, (\w+)>(, 2>)?;/gm),
    ]
      .map(([, row, rows, twice]) => 16 * value(row) * value(rows) * (twice ? 2 : 1));
    assert.equal(declared.reduce((a, b) => a + b, 0), rung.workgroupMemory, rung.name);
  }
});
