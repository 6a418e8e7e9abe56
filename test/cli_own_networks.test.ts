/**
 * Networks that nobody here wrote the layers of, exported by PyTorch, are treated on a folder of
 * images, by the commands; the file that is written gives in onnxruntime the logits that `predict`
 * prints of it, and the loss and accuracy that the run found; so does PyTorch with the weights back.
 */

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import * as ort from "onnxruntime-node";
import { encodePng } from "../engine/io/image.ts";
import { below, draws } from "../engine/random.ts";
import { relativeError } from "./support/check.ts";
import { succeed } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";
import { whyNot } from "./support/models.ts";
import { weightedFile } from "./support/onnx_reference.ts";
import { pythonWithTorch, runPython, torchNote } from "./support/python.ts";

/** Half a minute each; the others with MODEL_DOCTOR_ALL_MODELS=1. */
const ALWAYS = ["keras"];
const NETWORKS = ["convnext", "regnet", "ghostnet", "unet", "transposed", "keras"];
const [CLASSES, SIDE] = [10, 16];
const [MEAN, DEVIATION] = [0.45, 0.25];

interface Labelled {
  readonly label: number;
  readonly pixels: Uint8Array<ArrayBuffer>;
}

/** A bright bar at some height, and noise. */
function pixelsOf(seed: number): Uint8Array<ArrayBuffer> {
  const word = draws(seed, 0);
  return Uint8Array.from({ length: 3 * SIDE ** 2 }, (_, i) => {
    const row = Math.floor(i / (3 * SIDE));
    return below(word(i), 120) + (Math.floor(row * CLASSES / SIDE) === seed % CLASSES ? 120 : 0);
  });
}

/**
 * Two images of each class, and 20 of what the network takes them for: one that is right about no
 * image has nothing to diagnose.
 */
async function trainingImages(of: (pixels: Uint8Array) => Promise<number[]>): Promise<Labelled[]> {
  const images = Array.from({ length: 2 * CLASSES + 20 }, (_, i) => pixelsOf(i));
  return await Promise.all(images.map(async (pixels, i) => {
    const label = i < 2 * CLASSES ? i % CLASSES : largest(await of(pixels));
    return { label, pixels };
  }));
}

const largest = (values: readonly number[]) => values.indexOf(Math.max(...values));

/** Writes images to the folders of their classes; returns them by their paths. */
async function write(folder: string, images: readonly Labelled[]): Promise<Map<string, Labelled>> {
  const written = new Map<string, Labelled>();
  for (const [i, image] of images.entries()) {
    const path = join(folder, `${image.label}`, `${i}.png`);
    await Deno.mkdir(dirname(path), { recursive: true });
    const [height, width, data] = [SIDE, SIDE, image.pixels];
    await Deno.writeFile(path, encodePng({ height, width, channels: 3, data }));
    written.set(path, image);
  }
  return written;
}

/** What onnxruntime computes of images with a file: logits, up to a constant where a softmax is the end. */
async function onnxruntime(file: string, isKeras: boolean) {
  const session = await ort.InferenceSession.create(file, { logSeverityLevel: 4 });
  const place = (i: number) => isKeras ? i : 3 * (i % SIDE ** 2) + Math.floor(i / SIDE ** 2);
  const shape = isKeras ? [1, SIDE, SIDE, 3] : [1, 3, SIDE, SIDE];
  return async (pixels: Uint8Array): Promise<number[]> => {
    const x = Float32Array.from(pixels, (_, i) => (pixels[place(i)] / 255 - MEAN) / DEVIATION);
    const outputs = await session.run({ x: new ort.Tensor("float32", x, shape) });
    const values = [...Object.values(outputs)[0].data as Float32Array];
    return isKeras ? values.map(Math.log) : values;
  };
}

/** log softmax: what of logits is the same whether a network ends in a softmax or not. */
function logShares(logits: readonly number[]): number[] {
  const most = Math.max(...logits);
  const log = most + Math.log(logits.reduce((sum, value) => sum + Math.exp(value - most), 0));
  return logits.map((value) => value - log);
}

/** Treats a model on images of its own, in the folder; what `predict` says then of the unseen ones. */
async function treat(folder: string, model: string, of: (p: Uint8Array) => Promise<number[]>) {
  const [photos, out] = ["photos", "run"].map((at) => join(folder, at));
  await write(join(photos, "train"), await trainingImages(of));
  const unseen = Array.from({ length: 2 * CLASSES }, (_, i) => i)
    .map((i) => ({ label: i % CLASSES, pixels: pixelsOf(1000 + i) }));
  const images = await write(join(photos, "test"), unseen);
  await succeed(
    ...["treat", "--model", model, "--data", "folder", "--data-dir", photos],
    ...["--mean", `${MEAN}`, "--std", `${DEVIATION}`, "--images-per-class", "20", "--batch", "10"],
    ...["--treat-epochs", "1", "--arms", "treated", "--measures", "none", "--format", "pth"],
    ...["--out", out],
  );
  const treated = join(out, "treated.onnx");
  assert.notDeepEqual(await Deno.readFile(treated), await Deno.readFile(model));
  const told: { image: string; logits: number[] }[] = JSON.parse(
    await succeed("predict", join(photos, "test"), "--model", treated, "--format", "json"),
  );
  assert.equal(told.length, images.size);
  const { arms } = JSON.parse(await Deno.readTextFile(join(out, "result.json")));
  const { test }: { test: { loss: number; correct: number } } = arms.treated;
  return { out, treated, test, told: told.map((row) => ({ ...row, ...images.get(row.image)! })) };
}

const near = (a: readonly number[], b: readonly number[]) =>
  relativeError(Float32Array.from(a), Float32Array.from(b)) < 1e-5;

for (const name of NETWORKS) {
  const note = whyNot(name, ALWAYS);
  Deno.test(
    `${name}, exported by PyTorch, is treated, and onnxruntime has the treated logits${note}`,
    { ignore: note !== "" },
    () =>
      inFolder(async (folder) => {
        const model = join(folder, "mine.onnx");
        await Deno.writeFile(model, await weightedFile(name, 3));
        const isKeras = name === "keras";
        const { treated, told, test } = await treat(
          folder,
          model,
          await onnxruntime(model, isKeras),
        );
        const theirs = await onnxruntime(treated, isKeras);
        let [loss, correct] = [0, 0];
        for (const { image, label, pixels, logits } of told) {
          const found = logShares(await theirs(pixels));
          assert.ok(near(logShares(logits), found), image);
          loss -= found[label] / told.length;
          correct += Number(largest(found) === label);
        }
        assert.equal(test.correct, correct);
        assert.ok(near([test.loss], [loss]), `${test.loss} and ${loss}`);
      }),
  );
}

/** The lines of models/README.md that export a network, and that take it back without a package. */
async function linesOf(readme: URL) {
  const text = await Deno.readTextFile(readme);
  const exporting = /```python\n(torch\.onnx\.export[^]*?)```/.exec(text)![1];
  const [loading] = /net\.load_state_dict\(torch\.load\(.*?\)\)/.exec(text)!;
  return { exporting, loading };
}

const NET = `
import json, torch, torch.nn as nn, formula
net = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1), nn.SiLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 10))
formula.fill(net, 1)
`;

Deno.test(
  `a network goes from PyTorch to a treatment and back by the README's lines${torchNote}`,
  { ignore: pythonWithTorch === undefined },
  () =>
    inFolder(async (folder) => {
      const { exporting, loading } = await linesOf(new URL("../models/README.md", import.meta.url));
      await runPython(`${NET}${exporting.replaceAll("224", `${SIDE}`)}`, folder);
      const model = join(folder, "my.onnx");
      const { out, told } = await treat(folder, model, await onnxruntime(model, false));
      const images = JSON.stringify(told.map(({ pixels }) => [...pixels]));
      await Deno.writeTextFile(join(folder, "images.json"), images);
      const printed = await runPython(
        `${NET}${loading.replace("runs/treat-my-folder", out)}
pixels = torch.tensor(json.load(open("images.json"))).reshape(-1, ${SIDE}, ${SIDE}, 3) / 255
x = ((pixels - ${MEAN}) / ${DEVIATION}).permute(0, 3, 1, 2)
print(json.dumps(net.eval()(x).tolist()))`,
        folder,
      );
      const found: number[][] = JSON.parse(printed);
      for (const [i, { image, logits }] of told.entries()) assert.ok(near(logits, found[i]), image);
    }),
);
