/**
 * Every reader of files under inputs that are nearly right: it gives a value or a UserError, never
 * anything else, soon, and without much memory.
 *
 *     MODEL_DOCTOR_FUZZ=20000 deno test -A test/fuzz.test.ts      so many inputs for each reader
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { readReport } from "../cli/bench/compare.ts";
import { trainedWith } from "../cli/trained_with.ts";
import { cifar10, readCifar } from "../engine/data/cifar.ts";
import { listImages } from "../engine/data/folder_listing.ts";
import { mnist, readIdxSet } from "../engine/data/idx.ts";
import { readLabelMe } from "../engine/data/labelme.ts";
import { rasterise } from "../engine/data/raster.ts";
import { Notes } from "../engine/data/notes.ts";
import { readStl10 } from "../engine/data/stl10.ts";
import { readSvhn } from "../engine/data/svhn.ts";
import { readManifest } from "../engine/doctor/sift_folder.ts";
import { verifyCase } from "../engine/doctor/verify_case.ts";
import { UserError } from "../engine/errors.ts";
import { readTuning, tuningFile, type TuningKey } from "../engine/host/tuning.ts";
import type { HostTensor } from "../engine/io/host_tensor.ts";
import { decodeImage, encodePng } from "../engine/io/image.ts";
import { readMat } from "../engine/io/mat.ts";
import { decodeNpy, encodeNpy } from "../engine/io/npy.ts";
import { dictsInPth } from "../engine/io/pth.ts";
import { decodeSafetensors, encodeSafetensors } from "../engine/io/safetensors.ts";
import { readTar } from "../engine/io/tar.ts";
import { decodeRecords, encodeRecord } from "../engine/io/tfrecord.ts";
import { openWeightsFile } from "../engine/io/weights.ts";
import { readRun } from "../engine/report/read.ts";
import { report } from "../engine/report/report.ts";
import { checkpointFile } from "../engine/run/checkpoint_file.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import { concat, gzip, inFolder, tar } from "./support/io.ts";
import { Dice, mutateBytes, mutateJson } from "./support/mutate.ts";
import { runBytes, runJson } from "./support/run_files.ts";
import { dict, int, orderedDict, torchLegacy, torchZip, vector } from "./support/torch_file.ts";
import { tinySet } from "./support/train.ts";

/** Inputs for each reader; in CI as many as take some seconds. */
const INPUTS = Number(Deno.env.get("MODEL_DOCTOR_FUZZ") ?? 60);
/** What one input may take, in milliseconds, and all of a reader's in bytes. */
const SLOW = 2000;
const LARGE = 512 * 2 ** 20;

type Read = (input: Uint8Array<ArrayBuffer>) => unknown;

const text = (value: string) => new TextEncoder().encode(value);
const word = (n: number) => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24];

/** Feeds a reader; what it throws has to be for its user. */
async function feed(read: Read, inputs: (dice: Dice) => Uint8Array<ArrayBuffer>): Promise<void> {
  const before = Deno.memoryUsage().rss;
  for (let seed = 0; seed < INPUTS; seed++) {
    const input = inputs(new Dice(seed));
    const begun = performance.now();
    try {
      await read(input);
    } catch (error) {
      const shown = new TextDecoder().decode(input.subarray(0, 2000));
      assert(error instanceof UserError, `input ${seed}: ${(error as Error).stack}\n${shown}`);
    }
    const took = performance.now() - begun;
    assert(took < SLOW, `input ${seed} took ${took.toFixed(0)} ms`);
  }
  const grown = Deno.memoryUsage().rss - before;
  assert(grown < LARGE, `${grown} bytes more than before`);
}

function fuzz(what: string, seeds: readonly Uint8Array[], read: Read): void {
  Deno.test(`fuzz: ${what}`, async () => {
    for (const seed of seeds) await read(Uint8Array.from(seed));
    await feed(read, (dice) => mutateBytes(dice.pick(seeds), dice));
  });
}

/** As `fuzz`, of JSON, as it is read from a file in a folder of its own. */
function fuzzJson(
  what: string,
  value: unknown,
  read: (path: string, text: string, folder: string) => unknown,
  { name = "a.json", isLines = false, more = {} }: {
    name?: string;
    isLines?: boolean;
    more?: Readonly<Record<string, Uint8Array>>;
  } = {},
): void {
  const encoded = (of: unknown) =>
    text(
      isLines && Array.isArray(of)
        ? of.map((line) => JSON.stringify(line)).join("\n")
        : JSON.stringify(of),
    );
  Deno.test(`fuzz: ${what}`, () =>
    inFolder(async (folder) => {
      for (const [name, bytes] of Object.entries(more)) {
        await Deno.writeFile(join(folder, name), bytes);
      }
      const path = join(folder, name);
      const readIt: Read = async (bytes) => {
        await Deno.writeFile(path, bytes);
        await read(path, new TextDecoder().decode(bytes), folder);
      };
      await readIt(encoded(value));
      await feed(readIt, (dice) =>
        dice.below(4) === 0 ? mutateBytes(encoded(value), dice) : encoded(mutateJson(value, dice)));
    }));
}

/** A file of a folder that holds others as they are. */
function fuzzFile(
  what: string,
  files: Readonly<Record<string, Uint8Array>>,
  name: string,
  read: (folder: string) => unknown,
): void {
  Deno.test(`fuzz: ${what}`, () =>
    inFolder(async (folder) => {
      for (const [name, bytes] of Object.entries(files)) {
        await Deno.writeFile(join(folder, name), bytes);
      }
      const readIt: Read = async (bytes) => {
        await Deno.writeFile(join(folder, name), bytes);
        await read(folder);
      };
      await readIt(Uint8Array.from(files[name]));
      await feed(readIt, (dice) => mutateBytes(files[name], dice));
    }));
}

// Weights.

const tensors = new Map<string, HostTensor>([
  ["a", { dtype: "F32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
  ["b.weight", { dtype: "I64", shape: [1], data: BigInt64Array.of(5n) }],
]);
const safetensors = encodeSafetensors(tensors, { format: "pt" });
const storages = { 0: Float32Array.of(1, -2, 0.5), 1: Float32Array.of(7, 8) };
const checkpoint = dict({
  epoch: int(3),
  optimizer: dict({ state: dict({}) }),
  state_dict: orderedDict({ a: vector("0", 3), "b.weight": vector("1", 2) }),
});

fuzz("safetensors", [safetensors], (bytes) => decodeSafetensors(bytes, "a"));
fuzz(
  "PyTorch's files",
  [
    torchZip(checkpoint, storages),
    torchZip(checkpoint, storages, { deflate: true }),
    torchLegacy(checkpoint, storages),
  ],
  (bytes) => dictsInPth(bytes, "a").forEach((dict) => dict.read()),
);
fuzzJson(
  "an index of weights",
  { metadata: { total_size: 24 }, weight_map: { a: "b.safetensors" } },
  async (path) => (await openWeightsFile(path)).dicts[0].read(),
  { more: { "b.safetensors": safetensors } },
);
fuzz("cases to verify", [encodeSafetensors(
  new Map<string, HostTensor>([
    ["input", { dtype: "F32", shape: [1, 1, 2, 2], data: new Float32Array(4) }],
    ["labels", { dtype: "I64", shape: [1], data: BigInt64Array.of(1n) }],
    ["mask", { dtype: "F32", shape: [2, 3], data: new Float32Array(6) }],
  ]),
  { model: "small", in_channels: "1", num_classes: "2", layer: "features", alpha: "1" },
)], (bytes) => verifyCase(decodeSafetensors(bytes, "a"), "a"));

// Arrays, archives, records.

fuzz("npy", [encodeNpy(tensors.get("a")!)], (bytes) => decodeNpy(bytes, "a"));
const matrix = concat(
  ...[word(6), word(8), [9, 0, 0, 0, 0, 0, 0, 0], word(5), word(8), word(2), word(1)],
  ...[[1, 0, 1, 0], text("X"), [0, 0, 0], [2, 0, 2, 0, 7, 9, 0, 0]],
);
const element = concat(word(14), word(matrix.length), matrix);
const packed = Uint8Array.from(deflateSync(element));
const matHead = concat(text("MATLAB 5.0".padEnd(124)), [0, 1], text("IM"));
fuzz(
  "mat",
  [concat(matHead, element), concat(matHead, word(15), word(packed.length), packed)],
  (bytes) => readMat(bytes, "a"),
);
fuzz(
  "tar",
  [tar({ "d/": null, "d/a": Uint8Array.of(1, 2, 3), b: new Uint8Array(600) })],
  async (bytes) => {
    for await (const { chunks } of readTar(ReadableStream.from([bytes]), "a")) {
      for await (const _ of chunks());
    }
  },
);
fuzz("tfrecord", [concat(encodeRecord(text("one")), encodeRecord(text("two")))], decodeRecords);

// Images, annotations, data sets.

const png = encodePng({ height: 5, width: 7, channels: 3, data: new Uint8Array(105).fill(99) });
const grey = encodePng({ height: 4, width: 4, channels: 1, data: new Uint8Array(16) });
fuzz("images", [png, grey], (bytes) => decodeImage(bytes, "a"));
const drawn = (shape_type: string, ...points: number[][]) => ({ label: "a", points, shape_type });
fuzzJson("LabelMe's files", {
  ...{ version: "5", imageHeight: 20, imageWidth: 30, imagePath: "a.png" },
  shapes: [
    drawn("polygon", [0, 0], [9, 0], [0, 9]),
    drawn("rectangle", [1, 1], [5, 5]),
    drawn("circle", [9, 9], [12, 9]),
    { ...drawn("mask", [2, 2], [5, 5]), mask: grey.toBase64() },
    { ...drawn("rectangle", [2, 2], [3, 3]), label: "background" },
  ],
}, async (_, json) => {
  const { shape, size } = await readLabelMe(json, "a.json");
  rasterise(shape, size, { height: 16, width: 16 });
});
fuzzFile(
  "tables of images",
  {
    "labels.csv": text("file,label,split\na.png,cat,train\nb.png,dog,test\n"),
    "a.png": png,
    "b.png": png,
  },
  "labels.csv",
  (folder) => listImages(folder, {}, new Notes()),
);
const idx = (...dimensions: number[]) =>
  concat(
    [0, 0, 8, dimensions.length],
    ...dimensions.map((n) => word(n).reverse()),
    new Uint8Array(
      dimensions.reduce((a, b) => a * b),
    ),
  );
const idxFiles = Object.fromEntries(["train", "t10k"].flatMap((part) => [
  [`${part}-images-idx3-ubyte.gz`, gzip(idx(2, 4, 4))],
  [`${part}-labels-idx1-ubyte`, idx(2)],
]));
fuzzFile(
  "idx, gzipped",
  idxFiles,
  "train-images-idx3-ubyte.gz",
  (folder) => readIdxSet(mnist, folder),
);
fuzzFile("idx", idxFiles, "t10k-labels-idx1-ubyte", (folder) => readIdxSet(mnist, folder));
const record = new Uint8Array(3073);
fuzzFile(
  "CIFAR's files",
  { "data_batch_1.bin": concat(record, record), "test_batch.bin": record },
  "data_batch_1.bin",
  (folder) => readCifar(cifar10, folder),
);
const planes = new Uint8Array(3 * 96 * 96);
fuzzFile(
  "STL-10's files",
  {
    ...{ "train_X.bin": planes, "test_X.bin": planes },
    ...{ "train_y.bin": Uint8Array.of(1), "test_y.bin": Uint8Array.of(2) },
  },
  "train_y.bin",
  readStl10,
);
const digit = (name: string, shape: number[], values: Uint8Array) => {
  const inner = concat(
    ...[word(6), word(8), [9, 0, 0, 0, 0, 0, 0, 0]],
    ...[word(5), word(4 * shape.length), shape.flatMap(word), new Uint8Array(shape.length % 2 * 4)],
    ...[[1, 0, 1, 0], text(name), [0, 0, 0], word(2), word(values.length), values],
    new Uint8Array((8 - values.length % 8) % 8),
  );
  return concat(word(14), word(inner.length), inner);
};
const svhn = concat(
  matHead,
  digit("X", [32, 32, 3, 1], new Uint8Array(3072)),
  digit("y", [1, 1], Uint8Array.of(1)),
);
fuzzFile(
  "SVHN's files",
  { "train_32x32.mat": svhn, "test_32x32.mat": svhn },
  "train_32x32.mat",
  readSvhn,
);

// Runs.

const jsonBytes = (value: unknown) => text(JSON.stringify(value));
const lines = (value: unknown) =>
  text((value as unknown[]).map((line) => JSON.stringify(line)).join("\n"));
const epochs = runJson["metrics.jsonl"];
const isSecond = (name: string) => ["summary.json", "diagnosis.json"].includes(name);
const isStudy = (name: string) => ["correlation.json", "noise.json", "sweep.json"].includes(name);
const options = { studies: [], commandLine: (command: string) => command };
const pageOf = async (folder: string) => report(await readRun(folder, options));

for (const [name, value] of Object.entries(runJson)) {
  const beside = Object.entries(runJson).filter(([other]) =>
    other !== name && !isStudy(other) && !isSecond(other) &&
      !(name === "diagnosis.json" && other === "result.json") && name !== "summary.json" ||
    other === "config.json"
  );
  const more = Object.fromEntries([
    ...beside.map(([name, of]) => [name, name.endsWith("l") ? lines(of) : jsonBytes(of)]),
    ...Object.entries(runBytes),
  ]);
  fuzzJson(`a report of ${name}`, value, async (_, json, folder) => {
    if (name === "summary.json" || isStudy(name)) {
      const inner = name === "summary.json" ? "seed-0" : "study";
      await Deno.mkdir(join(folder, inner), { recursive: true });
      const other = name === "summary.json" ? jsonBytes(runJson["result.json"]) : text(json);
      const file = name === "summary.json" ? "result.json" : name;
      await Deno.writeFile(join(folder, inner, file), other);
    }
    await pageOf(folder);
  }, { name, isLines: name.endsWith("l"), more });
}
for (const name of Object.keys(runBytes)) {
  const files = Object.fromEntries([
    ...Object.entries(runJson).filter(([name]) => !isSecond(name) && !isStudy(name))
      .map(([name, of]) => [name, name.endsWith("l") ? lines(of) : jsonBytes(of)]),
    ...Object.entries(runBytes),
  ]);
  fuzzFile(`a report of ${name}`, files, name, pageOf);
}
fuzzJson("a run's settings", runJson["config.json"], async (_path, _text, folder) => {
  const { folder: run } = await RunFolder.resume(folder);
  await run.finished("baseline");
}, {
  name: "config.json",
  more: { "metrics.jsonl": lines(epochs), "baseline.safetensors": safetensors },
});
const settings = { lr: 1 };
Deno.test("fuzz: checkpoints", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a");
    const store = checkpointFile(path);
    const groups = { model: tensors, velocities: tensors, metrics: tensors, best: tensors };
    const position = { epoch: 1, step: 2, seconds: 3, history: [], bestEpoch: 1, settings };
    const history = (epochs as { epoch: number }[]).slice(0, 1);
    await store.save(
      { ...position, ...groups, history } as unknown as Parameters<typeof store.save>[0],
    );
    const bytes = await Deno.readFile(path);
    const read: Read = async (input) => {
      await Deno.writeFile(path, input);
      await store.load(settings);
    };
    await read(bytes);
    await feed(read, (dice) => mutateBytes(bytes, dice));
  }));
fuzzFile(
  "checksums",
  {
    SHA256SUMS: text(`${"0".repeat(64)}  other.safetensors\n`),
    "config.json": jsonBytes({}),
    "baseline.safetensors": safetensors,
  },
  "SHA256SUMS",
  async (folder) => await (await RunFolder.resume(folder)).folder.finished("baseline"),
);
fuzzJson(
  "an account",
  {
    ...{ normalisation: { mean: [0.5], std: [0.5] }, input: { height: 8, width: 8 } },
    resize_mode: "stretch",
  },
  (_path, _text, folder) => trainedWith(folder),
  { name: "account.json" },
);
fuzzJson(
  "sift's manifest",
  {
    ...{ version: 1, data: tinySet.name },
    images: [{
      ...{ name: "a", file: "images/a.png", class: "top", predicted: "middle", confidence: 0.5 },
      why: "wrong, and most sure",
    }],
  },
  (_path, _text, folder) => readManifest(folder, tinySet),
  { name: "manifest.json" },
);
fuzzJson("a benchmark's results", {
  results: [{ seconds: 1, engine: "this engine", work: { kind: "step" }, group: "a" }],
}, (path) => readReport(path));
Deno.test("fuzz: tuned choices", () =>
  inFolder(async (folder) => {
    const before = Deno.env.get("MODEL_DOCTOR_TUNING");
    Deno.env.set("MODEL_DOCTOR_TUNING", folder);
    try {
      const of = { adapter: "a", vendor: "", architecture: "", backend: "", driver: "", deno: "2" };
      const key = of as TuningKey;
      const value = { format: 1, key, choices: { conv: { variant: "x", ms: 1, untunedMs: 2 } } };
      const path = (await tuningFile(key))!;
      const read: Read = async (bytes) => {
        await Deno.writeFile(path, bytes);
        await readTuning(key, () => {});
      };
      await read(jsonBytes(value));
      await feed(read, (dice) => jsonBytes(mutateJson(value, dice)));
    } finally {
      if (before === undefined) Deno.env.delete("MODEL_DOCTOR_TUNING");
      else Deno.env.set("MODEL_DOCTOR_TUNING", before);
    }
  }));
