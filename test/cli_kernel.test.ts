/** `kernel` as a user runs it: lists, texts, one kernel's results, and an edited shader. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { decodeNpy, encodeNpy } from "../engine/io/npy.ts";
import { cli, fail, succeed } from "./support/cli.ts";
import { assertFits } from "./support/fits.ts";

const OF = ["--of", "x * sigmoid(x)", "--shapes", "x=8x64", "--order", "0"];
const shader = new URL("../shaders/pointwise/map.wgsl", import.meta.url).pathname;

Deno.test("kernel list, show: a plan's kernels by number, shader and text", async () => {
  const list = await succeed("kernel", "list", "--of", "small", "--target", "gpu", "--batch", "2");
  assert.match(list, / conv\/weight_block +conv 3x3\/1 weight gradient/);
  assertFits(list);
  const show = await succeed("kernel", "show", "sigmoid", ...OF, "--target", "plain");
  assert.match(show, /shader +shaders\/pointwise\/map\.wgsl/);
  assert.match(show, /y0 +vec4<f32> +buffer +written +\[8, 64\]/);
  assert.match(show, /let v0 = F\(1\.0\)|exp\(-x0\)/);
  assertFits(show.slice(0, show.indexOf("//")));
  const expanded = await succeed("kernel", "show", "1", "--as", "expanded", ...OF);
  assert.match(expanded, / \/\/ line \d+ of the slot chain|slot chain/);
  await fail(2, /there are 1 kernels, no 7/, "kernel", "show", "7", ...OF);
});

Deno.test("kernel run: given operands, results as .npy, right in float64", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const data = Float32Array.from({ length: 512 }, (_, i) => i / 256 - 1);
    const x = join(folder, "in.npy");
    await Deno.writeFile(x, encodeNpy({ dtype: "F32", shape: [8, 64], data }));
    const out = join(folder, "out");
    assertFits(
      await succeed("kernel", "run", "1", "--inputs", `x0=${x}`, "--out", out, ...OF),
    );
    const result = decodeNpy(await Deno.readFile(join(out, "y0.npy")), "y0.npy");
    assert.deepEqual(result.shape, [8, 64]);
    data.forEach((v, i) => {
      assert.ok(Math.abs(Number(result.data[i]) - v / (1 + Math.exp(-v))) < 1e-6);
    });
    await fail(2, /no operand z/, "kernel", "run", "1", "--inputs", `z=${x}`, ...OF);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("kernel try: the same, a wrong one, one that doesn't compile, one that stands for none", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "map.wgsl");
    const text = await Deno.readTextFile(shader);
    const tryIt = ["kernel", "try", file, "--seconds", "0", ...OF];
    await Deno.writeTextFile(file, text);
    const same = await succeed(...tryIt);
    assert.match(same, /the one in use, unchanged/);
    assert.match(same, /bits +the same in all 512 elements/);
    await Deno.writeTextFile(
      file,
      text.replace("    // end chain", "    // end chain\n    y0[i] *= 1.01;"),
    );
    const wrong = await cli(tryIt);
    assertFits(wrong.stdout);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stdout, /WRONG +512 of 512 elements, the first at \[0, 0\]/);
    const line = text.split("\n").findIndex((line) => line.includes("let n = thread")) + 1;
    await Deno.writeTextFile(file, text.replace("let n = thread", "let n = thred"));
    await fail(9, new RegExp(`map\\.wgsl:${line}: .*thred`), ...tryIt);
    await fail(2, /no kernel of .* is made of shaders\/conv\/tile/, ...tryIt, "--for", "conv/tile");
    await fail(2, /no shader is named conv\/til\.?/, ...tryIt, "--for", "conv/til");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("kernel ladder: every rung right, and a shape it can't take", async () => {
  const small = ["--batch", "1", "--size", "6", "--channels", "8", "--filters", "4"];
  const shown = await succeed("kernel", "ladder", "--seconds", "0", ...small);
  assert.match(shown, /^naive +right +same +8$/m);
  assert.match(shown, /^swizzle +right +same +0\.125 +1$/m);
  assertFits(shown);
  await fail(2, /slabs of 8, and 12/, "kernel", "ladder", "--channels", "12");
});
