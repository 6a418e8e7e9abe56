/**
 * verify: this engine against PyTorch's float64 numbers for the small network
 * (test/reference/small_case.py), against PyTorch itself where it is at hand, and every way in
 * which a case can be wrong.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { compare, compute } from "../engine/doctor/verify.ts";
import { verifyCase } from "../engine/doctor/verify_case.ts";
import { ExitCode } from "../engine/errors.ts";
import type { HostTensor } from "../engine/io/host_tensor.ts";
import { decodeSafetensors, encodeSafetensors } from "../engine/io/safetensors.ts";
import { small } from "../models/small.ts";
import small_case from "./reference/small_case.json" with { type: "json" };
import { testRuntime } from "./support/check.ts";
import { inFolder } from "./support/io.ts";
import { putCaseMaker, pythonWithTorch, runPython, torchNote } from "./support/python.ts";
import {
  leftHalf,
  type ReferenceCase,
  referenceImages,
  referenceLabels,
  referenceMask,
  referenceState,
} from "./support/reference.ts";

/** The constants of small_case.py. */
const formula = { seed: 7, batch: 3, in_channels: 2, num_classes: 5 } as ReferenceCase;
const SIZE = 16;
const options = { inChannels: 2, numClasses: 5, imageSize: SIZE };
const metadata = {
  model: "small",
  in_channels: "2",
  num_classes: "5",
  layer: "features.8",
  alpha: "10",
};

type Tensors = Map<string, HostTensor>;

const floats = (shape: number[], data: Float32Array<ArrayBuffer>): HostTensor => ({
  dtype: "F32",
  shape,
  data,
});

/** The images as PyTorch has them, [B, C, H, W]. */
function channelsFirst(images: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const [pixels, channels] = [SIZE * SIZE, 2];
  return images.map((_, i) => {
    const [image, channel, pixel] = [
      Math.floor(i / (channels * pixels)),
      Math.floor(i / pixels) % channels,
      i % pixels,
    ];
    return images[(image * pixels + pixel) * channels + channel];
  });
}

/** The case of small_case.py, with what PyTorch computed for it. */
function smallCase(): Tensors {
  const labels = BigInt64Array.from(referenceLabels(formula), BigInt);
  const tensors: Tensors = new Map([
    ["input", floats([3, 2, SIZE, SIZE], channelsFirst(referenceImages(formula, SIZE)))],
    ["labels", { dtype: "I64", shape: [3], data: labels }],
    ["mask", floats([5, 128], referenceMask(formula, 128))],
    ["background", floats([3, 1, 4, 4], leftHalf([3, 4, 4]))],
  ]);
  for (const [key, tensor] of referenceState(small.create(options), formula.seed)) {
    tensors.set(`state.${key}`, tensor);
  }
  for (const [name, { shape, values }] of Object.entries(small_case)) {
    tensors.set(name, { dtype: "F64", shape, data: Float64Array.from(values) });
  }
  return tensors;
}

const program = new URL("../cli/main.ts", import.meta.url).pathname;

/** Runs `deno task verify` in a folder. */
async function verify(folder: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program, "verify", ...args],
    cwd: folder,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const read = async (path: string) => decodeSafetensors(await Deno.readFile(path), path);

Deno.test("verify: everything agrees with PyTorch, in rows, as JSON and in the dump", async () => {
  await inFolder(async (folder) => {
    const tensors = smallCase();
    await Deno.writeFile(join(folder, "case.safetensors"), encodeSafetensors(tensors, metadata));
    const shown = await verify(folder, "case.safetensors", "--dump", "ours.safetensors");
    assert.equal(shown.code, ExitCode.ok, shown.stdout + shown.stderr);
    const names = Object.keys(small_case).map((name) => name.replace("expect.", ""));
    for (const name of names) {
      assert.ok(shown.stdout.includes(`\n${name} `), `a row for ${name}`);
    }
    assert.match(shown.stdout, /all 16 tensors are within the tolerance/);

    const { tensors: ours } = await read(join(folder, "ours.safetensors"));
    const keys = [...small.create(options).namedParameters()].map(([key]) => key);
    assert.deepEqual(
      new Set(ours.keys()),
      new Set([
        ...names.filter((name) => !name.startsWith("grads_")),
        ...["grads_cls", "grads_total", "grads_spatial"].flatMap((of) =>
          keys.map((key) => `${of}.${key}`)
        ),
      ]),
    );
    // Without a dump only what is expected is computed, and it is the same.
    for (const name of tensors.keys()) if (name.startsWith("expect.")) tensors.delete(name);
    for (const [name, tensor] of ours) tensors.set(`expect.${name}`, tensor);
    await Deno.writeFile(join(folder, "again.safetensors"), encodeSafetensors(tensors, metadata));
    const again = await verify(folder, "again.safetensors", "--tol", "1e-12", "--json");
    assert.equal(again.code, ExitCode.ok);
    const { passes, layer, tensors: rows } = JSON.parse(again.stdout);
    assert.deepEqual([passes, layer, rows.length], [true, "features.8", ours.size]);
  });
});

Deno.test("verify: exits 1 past the tolerance and names what is off", async () => {
  await inFolder(async (folder) => {
    const tensors = smallCase();
    await Deno.writeFile(join(folder, "a.safetensors"), encodeSafetensors(tensors, metadata));
    const strict = await verify(folder, "--tol", "1e-9", "a.safetensors");
    assert.equal(strict.code, ExitCode.failure);
    const weight = tensors.get("expect.grads_total.features.0.weight")!;
    // A weight's axes in the wrong order: [K, C, R, S] read as [K, C, S, R].
    const turned = new Float64Array(weight.data.length);
    turned.forEach((_, i) =>
      turned[i] = Number(weight.data[i - i % 9 + (i % 3) * 3 + Math.floor(i % 9 / 3)])
    );
    tensors.set("expect.grads_total.features.0.weight", { ...weight, dtype: "F64", data: turned });
    await Deno.writeFile(join(folder, "b.safetensors"), encodeSafetensors(tensors, metadata));
    const wrong = await verify(folder, "b.safetensors");
    assert.equal(wrong.code, ExitCode.failure);
    assert.match(wrong.stdout, /grads_total\.features\.0\.weight +\S+ +\S+ +1e-3 +PAST/);
    assert.match(wrong.stdout, /\n1 of 16 tensors past the tolerance; .*features\.0\.weight/);
  });
});

/** Verifies in this process; returns the rows by name. */
async function rows(tensors: Tensors, changed: Record<string, string> = {}) {
  const c = verifyCase({ tensors, metadata: { ...metadata, ...changed } }, "c.safetensors");
  const network = small.create({ ...c, imageSize: c.input.shape[2] });
  const runtime = await testRuntime();
  try {
    return new Map(
      compare(c, await compute(runtime, network, c.layer, c, false)).map((r) => [r.name, r]),
    );
  } finally {
    runtime.destroy();
  }
}

Deno.test("verify: wrong weights, labels, masks, backgrounds and alphas are noticed", async () => {
  const changes: [string, (data: HostTensor["data"]) => void, string[]][] = [
    ["state.features.5.running_mean", (d) => d[0] = 0.3, ["logits_eval"]],
    ["state.features.4.weight", (d) => d.reverse(), [
      "logits_train",
      "loss_cls",
      "grads_cls.fc.bias",
    ]],
    ["input", (d) => d.reverse(), ["logits_eval", "logits_train"]],
    ["mask", (d) => d.reverse(), ["loss_channel", "grads_total.features.0.weight"]],
    ["background", (d) => d.reverse(), ["loss_spatial", "grads_spatial.features.1.weight"]],
  ];
  for (const [key, change, noticed] of changes) {
    const tensors = smallCase();
    change(tensors.get(key)!.data);
    const found = await rows(tensors);
    for (const name of noticed) assert.equal(found.get(name)!.passes, false, `${key}: ${name}`);
  }
  const found = await rows(smallCase(), { alpha: "9" });
  const past = [...found.values()].filter(({ passes }) => !passes).map(({ name }) => name);
  assert.ok(past.length > 0 && past.every((name) => name.startsWith("grads_total")), `${past}`);
});

Deno.test("verify: gradients that are zero but for rounding have a floor, others have none", () => {
  const tensor = (...data: number[]): HostTensor => ({
    dtype: "F64",
    shape: [data.length],
    data: Float64Array.from(data),
  });
  const c = (expected: Record<string, HostTensor>) =>
    ({ name: "c", expected: new Map(Object.entries(expected)) }) as unknown as ReturnType<
      typeof verifyCase
    >;
  const error = (expected: number, found: number) => {
    const computed = new Map([["grads_cls.big", tensor(3, 4)], ["grads_cls.bias", tensor(found)]]);
    return compare(c({ "grads_cls.bias": tensor(expected) }), computed)[0];
  };
  assert.equal(error(1e-16, 2e-8).passes, true);
  assert.equal(error(1e-16, 1e-5).passes, false);
  assert.equal(error(0, 0).error, 0);
  assert.equal(error(1e-3, 1.002e-3).passes, false);
  assert.equal(error(1, NaN).error, Infinity);
  const loss =
    compare(c({ loss_channel: tensor(0) }), new Map([["loss_channel", tensor(1e-3)]]))[0];
  assert.equal(loss.passes, false);
});

Deno.test("verify: what is wrong with a case is said", async () => {
  const zeros = (...shape: number[]) =>
    floats(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));
  const drop = (key: string) => (t: Tensors) => void t.delete(key);
  const put = (key: string, value: HostTensor) => (t: Tensors) => void t.set(key, value);
  const labels = (...data: bigint[]) =>
    put("labels", { dtype: "I64", shape: [3], data: BigInt64Array.from(data) });
  const wrong: [(t: Tensors) => void, Record<string, string>, RegExp][] = [
    [drop("input"), {}, /c\.safetensors is no case to verify: it has no input/],
    [drop("mask"), {}, /expect\.loss_channel needs a mask|expect\.grads_total.* needs a mask/],
    [drop("background"), {}, /needs a background/],
    [put("mask", zeros(4, 128)), {}, /its mask is \[4, 128\], not \[5, channels\]/],
    [put("mask", zeros(5, 64)), {}, /its mask is \[5, 64\], and features\.8 has 128 channels/],
    [put("background", zeros(3, 1, 8, 8)), {}, /\[3, 1, 8, 8\], and features\.8 has 4 x 4 pixels/],
    [labels(0n, 5n, 1n), {}, /labels go beyond its 5 classes/],
    [labels(0n, -1n, 1n), {}, /labels go beyond its 5 classes/],
    [
      put("expect.logit_eval", zeros(3, 5)),
      {},
      /no expect\.logit_eval; did you mean logits_eval\?/,
    ],
    [
      put("expect.grads_cls.fc.bia", zeros(5)),
      {},
      /no expect\.grads_cls\.fc\.bia; did you mean grads_cls\.fc\.bias/,
    ],
    [
      put("expect.logits_eval", zeros(5, 3)),
      {},
      /expect\.logits_eval is \[5, 3\], and what is computed is \[3, 5\]/,
    ],
    [
      drop("state.fc.bias"),
      {},
      /the state in c\.safetensors does not fit this model:\n {2}missing fc\.bias/,
    ],
    [() => {}, { alpha: "ten" }, /alpha = "ten"/],
    [() => {}, { model: "" }, /metadata has no model/],
    [() => {}, { num_classes: "0" }, /num_classes = "0"/],
    [() => {}, { in_channels: "3" }, /its input is \[3, 2, 16, 16\], not \[B, 3, H, W\]/],
  ];
  for (const [change, changed, message] of wrong) {
    const tensors = smallCase();
    change(tensors);
    await assert.rejects(rows(tensors, changed), (error: Error & { exitCode?: number }) => {
      assert.match(error.message, message);
      assert.equal(error.exitCode, ExitCode.weights);
      return true;
    });
  }
  await inFolder(async (folder) => {
    const save = (name: string, changed: Record<string, string>) =>
      Deno.writeFile(
        join(folder, name),
        encodeSafetensors(smallCase(), { ...metadata, ...changed }),
      );
    await save("model.safetensors", { model: "smal" });
    await save("layer.safetensors", { layer: "features.88" });
    assert.match(
      (await verify(folder, "model.safetensors")).stderr,
      /no model smal; did you mean small\?/,
    );
    assert.match(
      (await verify(folder, "layer.safetensors")).stderr,
      /no layer features\.88; did you mean/,
    );
    const none = await verify(folder, "none.safetensors");
    assert.deepEqual([none.code, none.stdout], [ExitCode.weights, ""]);
    assert.match(none.stderr, /cannot read none\.safetensors: there is no such file/);
    assert.match((await verify(folder)).stderr, /CASE\.safetensors is missing/);
  });
});

Deno.test(`verify: PyTorch's numbers are still those of the case${torchNote}`, {
  ignore: !pythonWithTorch,
}, async () => {
  await inFolder(async (folder) => {
    await putCaseMaker(folder);
    const source = new URL("./reference/small_case.py", import.meta.url);
    const printed = JSON.parse(await runPython(await Deno.readTextFile(source), folder));
    assert.deepEqual(Object.keys(printed), Object.keys(small_case));
    for (const [name, { shape, values }] of Object.entries(small_case)) {
      assert.deepEqual(printed[name].shape, shape);
      values.forEach((value, i) =>
        assert.ok(Math.abs(value - printed[name].values[i]) < 1e-6, name)
      );
    }
    // The whole file, with every gradient, as the README's program makes it.
    const { code, stdout, stderr } = await verify(folder, "small.safetensors", "--tol", "1e-5");
    assert.equal(code, ExitCode.ok, stdout + stderr);
    assert.match(stdout, /all 39 tensors/);
  });
});
