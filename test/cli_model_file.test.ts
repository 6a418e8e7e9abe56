/** A network of one's own through the commands: listed, treated, written, measured. */

import assert from "node:assert/strict";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { FIELDS } from "../engine/doctor/look.ts";
import { ExitCode } from "../engine/errors.ts";
import { encodePng } from "../engine/io/image.ts";
import { fail, succeed } from "./support/cli.ts";
import { fileOf, smallFile } from "./support/onnx_network.ts";

Deno.test("a network in a file is listed, treated, and written as the same file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [model, out] = [join(folder, "my.onnx"), join(folder, "run")];
    await Deno.writeFile(model, smallFile());
    assert.match(await succeed("models", model, "--layers"), /blocks\.0\.act\.Relu .* features/);
    const flags = ["--limit", "40", "--test-limit", "40", "--treat-epochs", "1", "--batch", "16"];
    const said = await succeed(
      ...["treat", "--model", model, "--out", out, ...flags],
      ...["--arms", "treated", "--measures", "none", "--images-per-class", "2"],
    );
    assert.match(said, /batch normalisation trained with batch statistics/);
    const baseline = await Deno.readFile(join(out, "baseline.onnx"));
    assert.deepEqual(baseline, smallFile());
    const treated = await Deno.readFile(join(out, "treated.onnx"));
    assert.equal(treated.length, baseline.length);
    assert.notDeepEqual(treated, baseline);
    await ort.InferenceSession.create(treated, { logSeverityLevel: 4 });

    const result = JSON.parse(await Deno.readTextFile(join(out, "result.json")));
    const told = await succeed(
      ...["eval", "--model", join(out, "treated.onnx"), "--limit", "40", "--json"],
    );
    const { correct, loss } = JSON.parse(told).test;
    const { test } = result.arms.treated;
    assert.deepEqual([correct, loss], [test.correct, test.loss]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("predict says of images what onnxruntime does, and where the network looks", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [model, images] = [join(folder, "my.onnx"), join(folder, "images")];
    await Deno.writeFile(model, smallFile());
    await Deno.mkdir(images);
    const side = 32;
    const data = Uint8Array.from({ length: 3 * side * side }, (_, i) => (i * i) % 251);
    const png = encodePng({ height: side, width: side, channels: 3, data });
    const [first, second] = ["a.png", "b, c.png"].map((name) => join(images, name));
    await Deno.writeFile(first, png);
    await Deno.writeFile(second, png);
    const flags = ["--model", model, "--mean", "0", "--std", "1", "--format", "json"];
    const [told, again] = JSON.parse(await succeed("predict", images, ...flags));
    assert.deepEqual(again, { ...told, image: second });
    const files = await succeed("predict", second, ...flags, first, "--colour", "bgr");
    const turned = JSON.parse(files);
    assert.deepEqual(turned.map(({ image }: { image: string }) => image), [second, first]);
    assert.notEqual(turned[1].confidence, told.confidence);

    const pixels = Float32Array.from(data, (_, i) => {
      const [channel, pixel] = [Math.floor(i / side ** 2), i % side ** 2];
      return data[3 * pixel + channel] / 255;
    });
    const session = await ort.InferenceSession.create(smallFile(), { logSeverityLevel: 4 });
    const { y } = await session.run({ x: new ort.Tensor("float32", pixels, [1, 3, side, side]) });
    const shares = [...y.data as Float32Array];
    assert.equal(told.class, `${shares.indexOf(Math.max(...shares))}`);
    assert.ok(Math.abs(told.confidence - Math.max(...shares)) < 1e-4);
    assert.ok(FIELDS.includes(told.looks) && told.share > 1 / 9 && told.share < 1);
    await fail(
      ExitCode.usage,
      /tells 10 classes, and the data has 2/,
      "predict",
      images,
      ...flags,
      "--classes",
      "a,b",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a new head is trained for other classes, and written with the rest", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [model, out] = [join(folder, "my.onnx"), join(folder, "run")];
    await Deno.writeFile(model, fileOf(7));
    const flags = ["--limit", "40", "--batch", "16", "--epochs", "1", "--out", out];
    await fail(
      ExitCode.usage,
      /tells 7 classes, .* has 10[^]*--new-head/,
      "train",
      "--model",
      model,
    );
    await succeed("train", "--model", model, "--new-head", ...flags);
    const written = join(out, "model.onnx");
    const session = await ort.InferenceSession.create(await Deno.readFile(written));
    const x = new ort.Tensor("float32", new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);
    const { y } = await session.run({ x });
    assert.deepEqual([...y.dims], [1, 10]);
    const told = await succeed("eval", "--model", written, "--limit", "40", "--json");
    assert.equal(JSON.parse(told).test.total, 40);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the README's network in TypeScript is taken, and what is none is told", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const readme = await Deno.readTextFile(new URL("../models/README.md", import.meta.url));
    const [, source] = /```ts\n(\/\/ class Net[^]*?)```/.exec(readme)!;
    const [good, bad] = ["mine.ts", "bad.ts"].map((name) => join(folder, name));
    await Deno.writeTextFile(good, source);
    await Deno.writeTextFile(bad, 'export default { name: "x" };');
    assert.match(await succeed("models", good, "--layers"), /conv2 .* 64 x 16 x 16 .* features/);
    await fail(
      ExitCode.usage,
      /exports no model: featureLayer is missing/,
      "models",
      bad,
      "--layers",
    );
    await fail(ExitCode.usage, /absent\.ts can't be loaded/, "models", "absent.ts", "--layers");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("data of other classes or channels is refused with the way out", async () => {
  const model = await Deno.makeTempFile({ suffix: ".onnx" });
  try {
    await Deno.writeFile(model, smallFile());
    await fail(
      ExitCode.usage,
      /32 x 32 pixels, not 64 x 64/,
      "eval",
      "--model",
      model,
      "--size",
      "64",
    );
    await fail(ExitCode.usage, /has no choice "my\.onx"/, "eval", "--model", "my.onx");
    await fail(ExitCode.weights, /absent\.onnx/, "eval", "--model", "absent.onnx");
    await fail(ExitCode.usage, /--weights is missing/, "eval");
    await fail(
      ExitCode.usage,
      /--epochs has no effect with --weights/,
      "treat",
      "--model",
      model,
      "--epochs",
      "3",
    );
  } finally {
    await Deno.remove(model);
  }
});
