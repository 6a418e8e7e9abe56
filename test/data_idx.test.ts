/** MNIST's format: small files made byte by byte, every mistake named, and the real sets. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import { fashionMnist, mnist, readIdxSet } from "../engine/data/idx.ts";
import { loadDataSet } from "../engine/data/registry.ts";
import { concat, gzip, inFolder, userError } from "./support/io.ts";
import { shared } from "./support/shared.ts";
import { batchBytes, freshRuntime } from "./support/train.ts";

const word = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];

function idx(shape: number[], values: number[] | Uint8Array): Uint8Array<ArrayBuffer> {
  return concat([0, 0, 8, shape.length], shape.flatMap(word), values);
}

const pixels = (n: number) => Uint8Array.from({ length: n }, (_, i) => (i * i * 37 + i * 91) % 256);

/** The files of a set of 3 training and 2 test images of 28 x 28. */
const good: Record<string, Uint8Array<ArrayBuffer>> = {
  "train-images-idx3-ubyte.gz": gzip(idx([3, 28, 28], pixels(3 * 784))),
  "train-labels-idx1-ubyte.gz": gzip(idx([3], [5, 0, 9])),
  "t10k-images-idx3-ubyte.gz": gzip(idx([2, 28, 28], pixels(2 * 784))),
  "t10k-labels-idx1-ubyte.gz": gzip(idx([2], [1, 2])),
};

function inFolderWith(
  files: Record<string, Uint8Array<ArrayBuffer> | null>,
  test: (folder: string) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    for (const [name, bytes] of Object.entries({ ...good, ...files })) {
      if (bytes) await Deno.writeFile(join(folder, name), bytes);
    }
    await test(folder);
  });
}

Deno.test("idx: a set is read, its labels kept and its images to be resized to 32 x 32", () =>
  inFolderWith({}, async (folder) => {
    const set = await readIdxSet(mnist, folder);
    assert.equal(set.name, "mnist");
    assert.deepEqual([set.height, set.width, set.channels], [32, 32, 1]);
    assert.deepEqual([set.mean, set.std], [[0.1307], [0.3081]]);
    assert.deepEqual(set.augmentation, { cropPadding: 2, flip: false });
    assert.deepEqual([...set.train.labels], [5, 0, 9]);
    assert.deepEqual([...set.test.labels], [1, 2]);
    assert.deepEqual(set.stored, { height: 28, width: 28 });
    assert.deepEqual(set.train.images, pixels(3 * 784));
    assert.deepEqual(set.test.images, pixels(2 * 784));
    assert(set.source.includes(folder) && set.source.includes("3 training and 2 test"));
  }));

Deno.test("idx: files may be uncompressed, and have a dot in their name", () =>
  inFolderWith({
    "train-images-idx3-ubyte.gz": null,
    "train-images.idx3-ubyte": idx([3, 28, 28], pixels(3 * 784)),
    "t10k-labels-idx1-ubyte.gz": idx([2], [1, 2]),
  }, async (folder) => {
    const set = await readIdxSet(fashionMnist, folder);
    assert.deepEqual(set.train.images, pixels(3 * 784));
    assert.equal(set.classes[9], "Ankle boot");
    assert.deepEqual(set.augmentation, { cropPadding: 0, flip: true });
  }));

const images = "train-images-idx3-ubyte.gz";
const labels = "train-labels-idx1-ubyte.gz";
const raw = idx([3, 28, 28], pixels(3 * 784));

const wrong: [string, Record<string, Uint8Array<ArrayBuffer> | null>, RegExp][] = [
  ["a missing file", { [labels]: null }, /no train-labels-idx1-ubyte.gz in/],
  ["a truncated .gz", { [images]: good[images].slice(0, 300) }, /images.*gz: truncated: its 300 b/],
  ["a corrupt .gz", { [images]: good[images].with(12, 255) }, /images.*gz: corrupt/],
  ["an empty file", { [images]: new Uint8Array() }, /images.*: truncated: 0 bytes/],
  ["images for labels", { [labels]: good[images] }, /labels.*: .*magic number is 2051, not 2049/],
  ["another type", { [images]: raw.with(2, 13) }, /images.*: .*magic number is 3331, not 2051/],
  ["too few pixels", { [images]: raw.slice(0, -1) }, /truncated: 3 x 28 x 28 .* 2352 .* 2351 fol/],
  ["too many pixels", { [images]: concat(raw, [0]) }, /too long: .* 2352 bytes, but 2353 follow/],
  [
    "a .gz with more than it states",
    { [images]: gzip(concat(raw, new Uint8Array(5e7))) },
    /unfolds to more than the 2368 bytes/,
  ],
  [
    "a .gz that states too much",
    { [images]: gzip(idx([4e9, 28, 28], [])) },
    /promises \d+ bytes, but \d+ compressed ones may/,
  ],
  ["no images", { [images]: idx([0, 28, 28], []) }, /images.*: it is empty: 0 x 28 x 28/],
  ["too few labels", { [labels]: idx([2], [5, 0]) }, /images.* holds 3 .*labels.* holds 2 labels/],
  [
    "test images of another size",
    { "t10k-images-idx3-ubyte.gz": idx([2, 28, 14], pixels(784)) },
    /training images in .* are 28 x 28, the test images 14 x 28/,
  ],
  ["a label out of range", { [labels]: idx([3], [5, 10, 9]) }, /labels.*: label 1 is 10.*0 to 9/],
];

for (const [what, files, message] of wrong) {
  Deno.test(`idx: ${what} is named`, () =>
    inFolderWith(files, async (folder) => {
      const error = await userError(readIdxSet(mnist, folder), ExitCode.data, message);
      assert(error.message.includes(folder));
    }));
}

// SHA-256 of the 10,000 test images as Pillow 12.3 resizes them.
const resized = {
  mnist: "750966a83c3f66b21f310636df69984b116407e280d0e2fc2f606aa33c6749cc",
  "fashion-mnist": "1f1ea0ce7d1ace331ee9219ad0357d38ab7e127a448a67a5ac799f8bf96f8b25",
};

for (const [name, sha256] of Object.entries(resized)) {
  const real = shared(`data/${name}`);
  Deno.test({
    name: `idx: the real ${name}, resized as Pillow does it${real.note}`,
    ignore: real.missing,
    fn: async () => {
      const set = await loadDataSet({ name, dataDir: real.folder });
      assert.equal(set.train.labels.length, 60_000);
      assert(set.train.images instanceof Uint8Array);
      assert.equal(set.train.images.length, 60_000 * 784);
      const onDevice = await batchBytes(await freshRuntime(), set, set.test, 500);
      assert.equal(createHash("sha256").update(onDevice).digest("hex"), sha256);
      // The documented mean, which the resizing all but keeps.
      const mean = onDevice.reduce((a, b) => a + b) / onDevice.length / 255;
      assert(Math.abs(mean - set.mean[0]) < 0.004, `mean ${mean}`);
      const counts = set.test.labels.reduce((all, k) => all.with(k, all[k] + 1), Array(10).fill(0));
      assert.equal(Math.min(...counts) > 850 && Math.max(...counts) < 1150, true);
    },
  });
}
