/** CIFAR's binary batches: made byte by byte, every mistake named, and the real ones. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import { cifar10, cifar100, cifar100Coarse, readCifar } from "../engine/data/cifar.ts";
import { concat, inFolderWith, userError } from "./support/io.ts";
import { shared } from "./support/shared.ts";

/** A record whose red, green and blue planes count up from three starts. */
const record = (label: number) =>
  concat([label], Uint8Array.from({ length: 3072 }, (_, i) => (i % 1024) + 85 * (i >> 10) + label));
const batch = (...labels: number[]) => concat(...labels.map(record));

Deno.test("cifar10: any batches are read in order, planes turned into pixels", () =>
  inFolderWith({
    "data_batch_4.bin": batch(1),
    "data_batch_2.bin": batch(9, 0),
    "test_batch.bin": batch(3),
  }, async (folder) => {
    const set = await readCifar(cifar10, folder);
    assert.deepEqual([...set.train.labels], [9, 0, 1]);
    assert.deepEqual([...set.test.labels], [3]);
    assert.equal(set.train.images.length, 3 * 3072);
    const pixel = (image: number, p: number) => [
      ...set.train.images.subarray(image * 3072 + 3 * p, image * 3072 + 3 * p + 3),
    ];
    assert.deepEqual(pixel(0, 0), [9, 94, 179]);
    assert.deepEqual(pixel(2, 33), [34, 119, 204]);
    assert.deepEqual(set.augmentation, { cropPadding: 4, flip: true });
    assert.deepEqual(set.mean, [0.4914, 0.4822, 0.4465]);
    assert.match(set.source, /2 of 5 training batches: 3 images in data_batch_2.bin, data_batch_4/);
    assert.match(set.source, /1 test images/);
  }));

Deno.test("cifar10: the archive's own folder may lie inside the one given", () =>
  inFolderWith({
    "cifar-10-batches-bin/data_batch_1.bin": batch(1),
    "cifar-10-batches-bin/test_batch.bin": batch(2),
  }, async (folder) => {
    assert.deepEqual([...(await readCifar(cifar10, folder)).train.labels], [1]);
  }));

Deno.test("cifar100: a record has a coarse and a fine label", () =>
  inFolderWith({
    "cifar-100-binary/train.bin": concat(
      [19, 99],
      record(5).subarray(1),
      [0, 3],
      record(6).slice(1),
    ),
    "cifar-100-binary/test.bin": concat([11, 98], record(7).subarray(1)),
  }, async (folder) => {
    const fine = await readCifar(cifar100, folder);
    assert.deepEqual([[...fine.train.labels], [...fine.test.labels]], [[99, 3], [98]]);
    assert.deepEqual([fine.classes.length, fine.classes[99]], [100, "worm"]);
    assert.deepEqual([...fine.train.images.subarray(3072, 3075)], [6, 91, 176]);
    const coarse = await readCifar(cifar100Coarse, folder);
    assert.deepEqual([[...coarse.train.labels], [...coarse.test.labels]], [[19, 0], [11]]);
    assert.deepEqual([coarse.classes.length, coarse.classes[19]], [20, "vehicles_2"]);
    assert.deepEqual(coarse.train.images, fine.train.images);
    const bytes = concat([20, 5], record(5).subarray(1));
    await Deno.writeFile(join(folder, "cifar-100-binary/test.bin"), bytes);
    const wrong = readCifar(cifar100Coarse, folder);
    await userError(wrong, ExitCode.data, /test.bin: record 0 has label 20, .* 0 to 19/);
    await Deno.writeFile(join(folder, "cifar-100-binary/test.bin"), bytes.subarray(1));
    const short = readCifar(cifar100, folder);
    await userError(
      short,
      ExitCode.data,
      /test.bin: truncated, .* 3073 bytes are 0 records of 3074/,
    );
  }));

const test_batch = batch(1);
const wrong: [string, Record<string, Uint8Array>, RegExp][] = [
  ["a folder without batches", {}, /there is no data_batch_1.bin, .* in /],
  ["a missing test batch", { "data_batch_1.bin": batch(1) }, /there is no test_batch.bin in /],
  ["missing training batches", { "test_batch.bin": test_batch }, /no data_batch_1.bin/],
  [
    "a truncated batch",
    { "data_batch_3.bin": batch(1, 2).subarray(0, 5000), "test_batch.bin": test_batch },
    /data_batch_3.bin: truncated, .*5000 bytes are 1 records of 3073 bytes and 1927 bytes more/,
  ],
  [
    "an empty batch",
    { "data_batch_3.bin": new Uint8Array(), "test_batch.bin": test_batch },
    /data_batch_3.bin: .*0 bytes/,
  ],
  [
    "a label out of range",
    { "data_batch_1.bin": batch(1), "test_batch.bin": batch(4, 10) },
    /test_batch.bin: record 1 has label 10, but the classes are 0 to 9/,
  ],
];

for (const [what, files, message] of wrong) {
  Deno.test(`cifar10: ${what} is named`, () =>
    inFolderWith(files, async (folder) => {
      const error = await userError(readCifar(cifar10, folder), ExitCode.data, message);
      assert(error.message.includes(folder));
    }));
}

const real = shared("data/cifar10");
Deno.test({
  name: `cifar10: the real batches${real.note}`,
  ignore: real.missing,
  fn: async () => {
    const { train, test, mean, std } = await readCifar(cifar10, real.folder);
    assert.equal(test.labels.length, 10_000);
    assert(train.labels.length >= 10_000 && train.labels.length % 10_000 === 0);
    const counts = test.labels.reduce((all, k) => all.with(k, all[k] + 1), Array(10).fill(0));
    assert.deepEqual(counts, Array(10).fill(1000));
    // The channels' means are the documented ones: so the planes are in order.
    for (let c = 0; c < 3; c++) {
      let [sum, squares] = [0, 0];
      for (let i = c; i < test.images.length; i += 3) {
        sum += test.images[i];
        squares += test.images[i] ** 2;
      }
      const n = test.images.length / 3;
      assert(Math.abs(sum / n / 255 - mean[c]) < 0.01);
      // The documented deviations are means over images of each image's own: somewhat smaller.
      const deviation = Math.sqrt(squares / n - (sum / n) ** 2) / 255;
      assert(deviation > std[c] && deviation < 1.4 * std[c]);
    }
  },
});
