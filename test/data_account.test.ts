/** The account of what was read, and the images that are there twice. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describeAccount } from "../cli/account.ts";
import { warnOfSeen } from "../cli/trained_with.ts";
import { accountOf } from "../engine/data/account.ts";
import { type DataSet, trainingSplits } from "../engine/data/dataset.ts";
import { warnOfDuplicates } from "../engine/data/duplicates.ts";
import { Notes } from "../engine/data/notes.ts";
import { loadDataSet } from "../engine/data/registry.ts";
import { encodePng } from "../engine/io/image.ts";
import { inFolder, inFolderWith } from "./support/io.ts";
import { tinySet, tinyValidation } from "./support/train.ts";

const png = (n: number, width = 4) =>
  encodePng({ height: 4, width, channels: 3, data: new Uint8Array(12 * width).fill(n) });
const many = (folder: string, count: number, first: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`${folder}/${i}.png`, png(first + i, 4 + i % 2)]),
  );
const load = (dataDir: string) => loadDataSet({ name: "folder", dataDir });

Deno.test("account: found, used and left out by split and class, guesses and how images come in", () =>
  inFolderWith(
    { ...many("cat", 12, 0), ...many("dog", 24, 50), "dog/x.heic": "", "a.txt": "" },
    async (folder) => {
      const set = await load(folder);
      const { train, validation } = trainingSplits(set, { validation: 0.1, seed: 0, limit: 20 });
      const account = accountOf(set, { training: train, validation, test: set.test });
      assert.deepEqual(account.classes, ["cat", "dog"]);
      assert.deepEqual(account.found, { training: [10, 20], test: [2, 4] });
      assert.deepEqual(account.used, { training: [9, 9], validation: [1, 1], test: [2, 4] });
      assert.deepEqual(account.left_out.map(({ count }) => count), [1, 1]);
      assert.match(account.left_out[1].examples[0], /dog.x\.heic$/);
      const guesses = account.guesses.map(({ settle }) => settle).join("; ");
      assert.match(guesses, /--test-share.*--size/);
      const text = describeAccount(account);
      assert(text.split("\n").every((line) => line.length <= 80 || !line.includes(" ", 10)), text);
      const flat = text.replace(/\s+/g, " ");
      assert.match(
        flat,
        /images 224 x 224, stretched from several sizes \(bilinear\); mean 0\.485/,
      );
      assert.match(flat, /2 classes; 18 training images of 30, 9 of a class; 2 validation images/);
      assert.match(flat, /left out images of a format that isn't read \(\.heic\): 1, /);
      assert.match(flat, /class training validation test/);
      assert.match(flat, /guessed one in 6 of each class set apart .* \(settle: --test-share/);
    },
  ));

Deno.test("account: a class that isn't trained and the masks that are there are told", () => {
  const set = { ...tinySet, classes: [...tinySet.classes, "none"], notes: new Notes() };
  const account = accountOf(set, { training: set.train });
  assert.deepEqual(account.warnings, ["the class none has no image to train on"]);
  assert.match(describeAccount(account), /masks +all images have masks/);
});

Deno.test("duplicates: the same image in training and test, or with two classes, by content", () =>
  inFolderWith({
    ...{ "train/a/0.png": png(0), "train/a/1.png": png(1), "train/b/2.png": png(2) },
    ...{ "train/b/3.png": png(3), "test/a/x.png": png(1), "test/b/y.png": png(9) },
    ...{ "val/b/z.png": png(3), "train/b/again.png": png(0) },
  }, async (folder) => {
    const { warnings } = (await load(folder)).notes!;
    assert.deepEqual(warnings, [
      "1 of 2 test images are in training too, by content: test/a/x is train/a/1",
      "1 of 1 validation images are in training too, by content: val/b/z is train/b/3",
      "1 image is there under several classes, by content: train/a/0 (a) is train/b/again (b)",
    ]);
  }));

Deno.test("duplicates: images in memory are compared too", async () => {
  const { train, test } = tinySet;
  const images = test.images.slice();
  const size = images.length / test.labels.length;
  images.set(train.images.subarray(5 * size, 6 * size), 7 * size);
  const notes = new Notes();
  await warnOfDuplicates({ ...tinySet, test: { ...test, images } }, notes);
  assert.match(notes.warnings[0], /^1 of 30 test images .*: test image 7 is training image 5$/);
  const none = new Notes();
  await warnOfDuplicates(tinySet, none);
  assert.deepEqual(none.warnings, []);
});

Deno.test("weights that may have been trained on the images which choose the epoch: it is said", () =>
  inFolder(async (folder) => {
    const asked = { data: "shapes", seed: 0, validation: 0.1, limit: 100 };
    const weights = join(folder, "model.safetensors");
    const warnings = async (set: DataSet, args: Parameters<typeof warnOfSeen>[1]) =>
      (await warnOfSeen(set, args)).notes?.warnings ?? [];
    const seen = /may have been trained on the validation images, which choose the epoch/;
    const [warning, ...more] = await warnings(tinySet, { ...asked, weights });
    assert.match(warning, seen, "from elsewhere");
    assert.deepEqual(more, []);
    assert.deepEqual(await warnings(tinySet, asked), [], "no weights");
    const apart = { ...tinySet, validation: tinyValidation };
    assert.deepEqual(await warnings(apart, { ...asked, weights }), [], "a validation part");
    // Of a run here, which set the same images aside or others.
    await Deno.writeTextFile(
      join(folder, "config.json"),
      JSON.stringify({ command: "train", ...asked, dataDir: null }),
    );
    assert.deepEqual(await warnings(tinySet, { ...asked, weights }), []);
    for (const other of [{ seed: 1 }, { validation: 0.2 }, { limit: undefined }, { seeds: 2 }]) {
      assert.match((await warnings(tinySet, { ...asked, weights, ...other }))[0], seen);
    }
  }));
