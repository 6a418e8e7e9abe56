/** Image folders and tables: small files made here, every layout, every mistake named, streamed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { Batches } from "../engine/data/batch.ts";
import type { DataSet, Split } from "../engine/data/dataset.ts";
import { loadDataSet } from "../engine/data/registry.ts";
import { resizeBilinear } from "../engine/data/resize.ts";
import { ExitCode } from "../engine/errors.ts";
import { encodePng } from "../engine/io/image.ts";
import { Input } from "../engine/tensor/mod.ts";
import { inFolderWith, userError } from "./support/io.ts";
import { batchBytes, freshRuntime } from "./support/train.ts";

/** An image whose pixels follow from its number. */
const pixels = (n: number, height = 6, width = 6) =>
  Uint8Array.from({ length: 3 * height * width }, (_, i) => (i * 7 + n * 31) % 256);
const png = (n: number, height = 6, width = 6) =>
  encodePng({ height, width, channels: 3, data: pixels(n, height, width) });

type Files = Record<string, Uint8Array | string>;

/** Files of which each holds another image: their numbers count from 0. */
const images = (...names: string[]): Files =>
  Object.fromEntries(names.map((name, n) => [name, png(n)]));

const load = (dataDir: string, name = "folder", size?: number) =>
  loadDataSet({ name, dataDir, size });
const labels = ({ classes }: DataSet, split: Split) => [...split.labels].map((k) => classes[k]);

Deno.test("folder: classes are folders, and one in six of each is set apart for the test", () => {
  const names = ["cat", "dog"].flatMap((label) =>
    Array.from({ length: 12 }, (_, i) => `${label}/${i < 6 ? "" : "more/"}${i}.png`)
  );
  return inFolderWith({ ...images(...names), "cat/0.json": "{}" }, async (folder) => {
    const set = await load(folder);
    assert.deepEqual(set.classes, ["cat", "dog"]);
    assert.deepEqual([set.train.labels.length, set.test.labels.length], [20, 4]);
    assert.deepEqual(labels(set, set.test), ["cat", "cat", "dog", "dog"]);
    const all = [...set.train.names!, ...set.test.names!].sort();
    assert.deepEqual(all, names.map((name) => name.slice(0, -4)).sort());
    assert.match(set.source, /2 classes, 20 training and 4 test images; one in 6 of each class/);
    assert.deepEqual([...(await load(folder)).test.names!], [...set.test.names!]);
  });
});

Deno.test("folder: train, val and test folders are taken as they are", () =>
  inFolderWith(
    images("train/a/1.png", "train/b/2.JPG", "val/a/3.png", "val/b/3.png", "test/b/4.png"),
    async (folder) => {
      const set = await load(folder);
      assert.deepEqual([...set.train.names!], ["train/a/1", "train/b/2"]);
      assert.deepEqual([...set.validation!.names!], ["val/a/3", "val/b/3"]);
      assert.deepEqual([...set.test.labels], [1]);
      await Deno.remove(join(folder, "test"), { recursive: true });
      const without = await load(folder);
      assert.deepEqual([...without.test.names!], ["val/a/3", "val/b/3"]);
      assert.equal(without.validation, undefined);
    },
  ));

Deno.test("folder: a table names files, classes and, where it has the column, parts", () =>
  inFolderWith({
    ...images("images/1.png", "2.png", "images/c/3.png"),
    "set.csv": 'filename,label,split\n1.png,"a, or so",train\n2.png,b,train\nc/3.png,b,test\n',
  }, async (folder) => {
    const set = await load(folder);
    assert.deepEqual(labels(set, set.train), ["a, or so", "b"]);
    assert.deepEqual([...set.train.names!], ["images/1", "2"]);
    assert.deepEqual(labels(set, set.test), ["b"]);
  }));

Deno.test("mini-imagenet: tables of disjoint classes are put together and divided anew", () => {
  const table = (...labels: string[]) =>
    "filename,label\n" +
    labels.flatMap((l) => [0, 1, 2].map((i) => `${l}${i}.jpg,${l}\n`)).join("");
  const names = ["n1", "n2", "n3", "n4"].flatMap((l) =>
    [0, 1, 2].map((i) => `images/${l}${i}.jpg`)
  );
  return inFolderWith({
    ...images(...names),
    "train.csv": table("n1", "n2"),
    "val.csv": table("n3"),
    "test.csv": table("n4"),
  }, async (folder) => {
    const set = await load(folder, "mini-imagenet");
    assert.deepEqual(labels(set, set.test).sort(), ["n1", "n2", "n3", "n4"]);
    assert.equal(set.train.labels.length, 8);
    assert.deepEqual([set.height, set.width, set.stored], [224, 224, { height: 6, width: 6 }]);
    assert.deepEqual(set.augmentation, { cropPadding: 0, flip: true, flipVertical: true });
    assert.deepEqual(set.mean, [0.485, 0.456, 0.406]);
  });
});

const wrong: [string, Files, RegExp][] = [
  ["an empty folder", {}, /there are no images in/],
  ["a class without images", { ...images("a/1.png"), "b/readme.txt": "" }, /no images in .*b$/],
  ["a single class", images("a/1.png", "a/2.png"), /images of one class, a$/],
  [
    "a test class that isn't trained",
    images("train/a/1.png", "train/b/2.png", "test/a/3.png", "test/c/4.png"),
    /the class c has images in the test .* none to train on/,
  ],
  ["no image", { ...images("a/1.png"), "b/2.png": "GIF89a" }, /2\.png: (no image|corrupt)/],
  [
    "a bomb",
    { ...images("a/1.png"), "b/2.png": png(0).with(16, 99) },
    /2\.png: (an image of \d+ x 6 pixels, more than|corrupt: .*width exceeds)/,
  ],
  ["a table's line without a file", { "t.csv": "file,label\nx.png,a\n" }, /t.csv: line 2: .* no x/],
  ["a table without classes", { "t.csv": "file,colour\n" }, /t.csv: its first line names no col/],
  ["a table's unknown part", {
    ...images("1.png"),
    "t.csv": "file,label,split\n1.png,a,later\n",
  }, /line 2: there is no part later/],
  ["a ragged table", { "t.csv": "file,label\n1.png\n" }, /t.csv: .*Invalid Record Length/],
  ["two tables", { "t.csv": "", "u.csv": "" }, /several tables.*: t.csv, u.csv/],
];

for (const [what, files, message] of wrong) {
  Deno.test(`folder: ${what} is named`, () =>
    inFolderWith(files, async (folder) => {
      await userError(load(folder), ExitCode.data, message);
    }));
}

Deno.test("folder: without a folder it says what to do", async () => {
  const nowhere = loadDataSet({ name: "folder" });
  const error = await userError(nowhere, ExitCode.usage, /folder can't be downloaded/);
  assert.match(error.hint!, /--data-dir/);
  const licensed = loadDataSet({ name: "mini-imagenet" });
  assert.match((await userError(licensed, ExitCode.usage, /downloaded/)).hint!, /ImageNet's terms/);
});

Deno.test("folder: images of any size reach the network in one, small ones enlarged by the GPU", () =>
  inFolderWith(
    { ...images("a/0.png", "a/1.png"), "b/2.png": png(2, 10, 7), "b/3.png": png(3) },
    async (folder) => {
      const runtime = await freshRuntime();
      const ofAll = async (set: DataSet) => {
        const bytes = new Map<string, Uint8Array>();
        for (const split of [set.train, set.test]) {
          const all = await batchBytes(runtime, set, split, 2);
          [...split.names!].forEach((name, i) =>
            bytes.set(name, all.slice(i * 3 * set.height ** 2, (i + 1) * 3 * set.height ** 2))
          );
        }
        return bytes;
      };
      const six = { height: 6, width: 6 };
      const twenty = { height: 20, width: 20 };
      const mixed = await ofAll(await load(folder, "folder", 20));
      assert.deepEqual(mixed.get("a/1"), resizeBilinear(pixels(1), six, twenty, 3));
      const odd = resizeBilinear(pixels(2, 10, 7), { height: 10, width: 7 }, twenty, 3);
      assert.deepEqual(mixed.get("b/2"), odd);

      await Deno.remove(join(folder, "b/2.png"));
      await Deno.writeFile(join(folder, "b/4.png"), png(4));
      const same = await load(folder);
      assert.deepEqual([same.height, same.width], [6, 6], "the images' own size");
      assert.deepEqual((await ofAll(same)).get("b/4"), pixels(4));
      const large = await load(folder, "folder", 20);
      assert.deepEqual(large.stored, six, "enlarged in batches");
      assert.deepEqual((await ofAll(large)).get("a/1"), mixed.get("a/1"));
    },
  ));

Deno.test("folder: streamed with the next batch read ahead, the same bits as in memory", () => {
  const names = Array.from({ length: 18 }, (_, i) => `${"abc"[i % 3]}/${i}.png`);
  return inFolderWith(images(...names), async (folder) => {
    const set = await load(folder);
    const runtime = await freshRuntime();
    const n = set.train.labels.length;
    const numbers = [...set.train.names!].map((name) => Number(name.slice(2)));
    const bytes = Uint8Array.from(numbers.flatMap((number) => [...pixels(number)]));
    const key = new Input("key", [2], "u32");
    const options = { batch: 5, key, augmentation: { cropPadding: 1, flip: true } };
    const fromFiles = new Batches(runtime, set, set.train, options);
    const inMemory = new Batches(runtime, set, { ...set.train, images: bytes }, options);
    const order = Array.from(
      { length: 4 },
      (_, step) => Uint32Array.from({ length: 5 }, (_, i) => (7 * step + 4 * i) % n),
    );
    for (const [step, indices] of order.entries()) {
      // The third batch announces another one than comes.
      const next = order[step === 2 ? 0 : step + 1];
      const fed = [key, Uint32Array.of(1, step)] as const;
      const [a] = await runtime.evaluate([fromFiles.images], [
        ...await fromFiles.feeds(indices, next),
        fed,
      ]);
      const [b] = await runtime.evaluate([inMemory.images], [
        ...await inMemory.feeds(indices),
        fed,
      ]);
      assert.deepEqual(a, b, `batch ${step}`);
    }
    for (const batches of [fromFiles, inMemory]) batches.release(runtime);
  });
});

Deno.test("folder: a file that breaks on the way is named when its batch is read", () =>
  inFolderWith(images("a/0.png", "a/1.png", "b/2.png", "b/3.png"), async (folder) => {
    const set = await load(folder);
    const [name] = set.train.names!;
    const path = join(folder, `${name}.png`);
    await Deno.writeFile(path, (await Deno.readFile(path)).slice(0, 60));
    const runtime = await freshRuntime();
    await userError(
      batchBytes(runtime, set, set.train, 2),
      ExitCode.data,
      new RegExp(`${name}\\.png: corrupt`),
    );
  }));

Deno.test("folder: JPEG and WebP files are decoded too", async () => {
  const size = { width: 16, height: 16 };
  const grey = sharp({ create: { ...size, channels: 3, background: { r: 90, g: 90, b: 90 } } });
  const [jpeg, webp] = [await grey.jpeg().toBuffer(), await grey.webp().toBuffer()];
  await inFolderWith(
    { "a/1.jpg": jpeg, "a/2.jpeg": jpeg, "b/1.webp": webp, "b/2.jpg": jpeg },
    async (folder) => {
      const set = await load(folder);
      const bytes = await batchBytes(await freshRuntime(), set, set.train, 2);
      assert.equal(bytes.length, 2 * 16 * 16 * 3);
      assert(bytes.every((byte) => Math.abs(byte - 90) <= 2));
    },
  );
});
