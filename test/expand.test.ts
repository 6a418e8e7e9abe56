/** The expander: the text it makes, that it computes the same on the device, and its errors. */
import assert from "node:assert/strict";
import { UserError } from "../engine/errors.ts";
import { expand } from "../engine/gpu/expand.ts";
import { testDevice } from "./support/gpu.ts";

/** Lines without indentation, for comparing text. */
function lines(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

function inMain(...body: string[]): string {
  return ["fn main() {", ...body, "}"].join("\n");
}

function fails(source: string, message: RegExp): void {
  assert.throws(() => expand(source), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("a marked loop becomes one block per iteration", () => {
  const source = inMain(
    "// @unroll",
    "for (var i = 0u; i < 2u; i++) {",
    "  x[i] = f32(i);",
    "}",
  );
  assert.deepEqual(lines(expand(source)), [
    "fn main() {",
    ...["{", "x[0u] = f32(0u);", "}"],
    ...["{", "x[1u] = f32(1u);", "}"],
    "}",
  ]);
});

Deno.test("limits are constant expressions, counters start anywhere and keep their type", () => {
  const source = [
    "const N: u32 = 2u;",
    "const LIMIT: i32 = (N + 1) * 2 - 7 % 4;",
    inMain("// @unroll", "for (var i: i32 = 1i; i < LIMIT; i += 1i) {", "f(i);", "}"),
  ].join("\n");
  assert.deepEqual(lines(expand(source)).slice(3, -1), ["{", "f(1i);", "}", "{", "f(2i);", "}"]);
});

Deno.test("nested loops unroll, an inner limit may be the outer counter", () => {
  const source = inMain(
    "// @unroll",
    "for (var i = 0u; i < 3u; i++) {",
    "  // @unroll",
    "  for (var j = 0u; j < i; j += 1u) {",
    "    f(i, j);",
    "  }",
    "}",
  );
  const calls = lines(expand(source)).filter((line) => line.startsWith("f("));
  assert.deepEqual(calls, ["f(1u, 0u);", "f(2u, 0u);", "f(2u, 1u);"]);
});

Deno.test("a register array becomes named variables up to the end of its block", () => {
  const source = inMain(
    "{",
    "  // @registers",
    "  var sum: array<vec4<f32>, 2 * 1>;",
    "  sum[1] = sum[3 - 3] + sum[1u].xxyy;",
    "}",
    "let sum = 1;",
  );
  assert.deepEqual(lines(expand(source)), [
    "fn main() {",
    "{",
    "var sum_0 = vec4<f32>();",
    "var sum_1 = vec4<f32>();",
    "sum_1 = sum_0 + sum_1.xxyy;",
    "}",
    "let sum = 1;",
    "}",
  ]);
});

Deno.test("comments and unmarked code pass through without the comments", () => {
  const source = "/* a { */\nfn f() { // }\n  g(); // @unroll here is no marker\n}\n";
  assert.deepEqual(lines(expand(source)), ["fn f() {", "g();", "}"]);
});

Deno.test("expanded code computes what the source computes", async () => {
  const source = `
const ROWS: u32 = 3u;
const COLUMNS: u32 = ROWS - 1u;
@group(0) @binding(0) var<storage, read_write> result: array<u32>;
@compute @workgroup_size(1)
fn main() {
  // @registers
  var grid: array<u32, ROWS * COLUMNS>;
  for (var round = 0u; round < 3u; round++) {
    // @unroll
    for (var i = 0u; i < ROWS; i++) {
      // @unroll
      for (var j = 0u; j < COLUMNS; j++) {
        let term = i * 10u + j;
        if (round % 2u == 0u) {
          grid[i * COLUMNS + j] += term + round;
        }
      }
    }
  }
  // @unroll
  for (var i = 0u; i < ROWS * COLUMNS; i++) {
    result[i] = grid[i];
  }
}
`;
  const expected = [2, 4, 22, 24, 42, 44];
  assert.deepEqual(await compute(source, 6), expected);
  assert.deepEqual(await compute(expand(source), 6), expected);
});

Deno.test("registers start at zero whenever their declaration is reached", async () => {
  const source = `
@group(0) @binding(0) var<storage, read_write> result: array<u32>;
@compute @workgroup_size(1)
fn main() {
  for (var round = 0u; round < 3u; round++) {
    // @registers
    var count: array<u32, 1>;
    count[0] += 1u;
    result[round] = count[0];
  }
}
`;
  assert.deepEqual(await compute(expand(source), 3), [1, 1, 1]);
});

/** Runs a shader that writes u32s to binding 0. */
async function compute(code: string, length: number): Promise<number[]> {
  const device = await testDevice();
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code });
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module } });
  const { COPY_SRC, COPY_DST, MAP_READ, STORAGE } = GPUBufferUsage;
  const size = 4 * length;
  const buffer = device.createBuffer({ size, usage: STORAGE | COPY_SRC });
  const readback = device.createBuffer({ size, usage: MAP_READ | COPY_DST });
  const entries = [{ binding: 0, resource: { buffer } }];
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }),
  );
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(buffer, 0, readback, 0, size);
  device.queue.submit([encoder.finish()]);
  assert.equal((await device.popErrorScope())?.message, undefined);
  await readback.mapAsync(GPUMapMode.READ);
  const values = [...new Uint32Array(readback.getMappedRange())];
  buffer.destroy();
  readback.destroy();
  return values;
}

const UNROLLED = ["// @unroll", "for (var i = 0u; i < 2u; i++) {"];
const REGISTERS = ["// @registers", "var a: array<f32, 2>;"];

for (
  const [what, source, message] of [
    ["a marker before no loop", inMain("// @unroll", "x = 1;"), /line 3: @unroll needs/],
    ["a marker at the end", "// @unroll", /line 1: @unroll needs/],
    [
      "a limit known only at run time",
      inMain("// @unroll", "for (var i = 0u; i < n; i++) {", "}"),
      /line 3: `n` is not a constant/,
    ],
    ["break", inMain(...UNROLLED, "if (x) { break; }", "}"), /line 4: break can't leave/],
    ["continue", inMain(...UNROLLED, "continue;", "}"), /line 4: continue can't leave/],
    ["a counter that is written", inMain(...UNROLLED, "i += 2u;", "}"), /line 4: this writes/],
    ["a counter that is hidden", inMain(...UNROLLED, "let i = 1;", "}"), /line 4: this hides/],
    ["a marker before no array", inMain("// @registers", "var a = 1;"), /line 3: @registers needs/],
    ["a dynamic index", inMain(...REGISTERS, "a[n] = 1.0;"), /line 4: `n` is not a constant/],
    [
      "an index past the end",
      inMain(...REGISTERS, "a[1 + 1] = 1.0;"),
      /line 4: index 2 is outside/,
    ],
    ["an index below zero", inMain(...REGISTERS, "a[-1] = 1.0;"), /line 4: index -1 is outside/],
    ["a division by zero", inMain(...REGISTERS, "a[1 / 0] = 1.0;"), /line 4: `1 \/ 0` divides/],
    ["a whole array", inMain(...REGISTERS, "f(a);"), /line 4: the register array a can only/],
    ["a taken name", inMain(...REGISTERS, "let a_1 = 2.0;"), /line 4: a_0, a_1/],
    [
      "an open bracket",
      inMain(...REGISTERS, "a[", "1] = 2.0;"),
      /line 4: the index .* on its line/,
    ],
    ["a block without end", [...UNROLLED, "f();"].join("\n"), /line 2: this block has no end/],
    ["registers at module level", REGISTERS.join("\n"), /line 1: @registers belongs inside/],
  ] as const
) {
  Deno.test(`an error names the line: ${what}`, () => fails(source, message));
}

Deno.test("break inside a loop of the body stays that loop's own", () => {
  const source = inMain(...UNROLLED, "loop {", "  if (i > 0u) { break; }", "}", "}");
  assert.equal(expand(source).match(/break/g)?.length, 2);
});
