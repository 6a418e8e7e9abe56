/** WebDataset: archives of samples, listed by their headers and read where their images lie. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { loadDataSet } from "../engine/data/registry.ts";
import { expandBraces } from "../engine/data/shard_files.ts";
import type { DataSet, ImageSource } from "../engine/data/dataset.ts";
import { ExitCode } from "../engine/errors.ts";
import { encodePng } from "../engine/io/image.ts";
import { byArchives } from "../engine/train/order.ts";
import { inFolder, tar, userError } from "./support/io.ts";

const SIDE = 8;
/** An image of one colour, by which it is known again. */
const picture = (colour: number) =>
  encodePng({
    ...{ height: SIDE, width: SIDE, channels: 3 },
    data: new Uint8Array(3 * SIDE * SIDE).fill(colour),
  });
const text = (value: string) => new TextEncoder().encode(value);

/** Samples 0, 1, ... of two classes in turns, their label in a file of its own. */
const samples = (from: number, count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, k) => from + k).flatMap((i) => [
      [`${String(i).padStart(4, "0")}.cls`, text(String(i % 2))],
      [`${String(i).padStart(4, "0")}.png`, picture(i)],
    ]),
  );

const open = (dataDir: string, folder = {}) => loadDataSet({ name: "webdataset", dataDir, folder });

/** The colour of each image of a split, in the split's order. */
async function colours({ images, labels }: DataSet["train"]): Promise<number[]> {
  const all = await (images as ImageSource).read(Uint32Array.from(labels.keys()));
  return Array.from(labels, (_, i) => all[i * 3 * SIDE * SIDE]);
}

Deno.test("webdataset: images and classes of all shards, in their order", () =>
  inFolder(async (folder) => {
    await Deno.writeFile(join(folder, "train-0.tar"), tar(samples(0, 6)));
    await Deno.writeFile(join(folder, "train-1.tar"), tar(samples(6, 4)));
    await Deno.writeFile(join(folder, "val-0.tar"), tar(samples(20, 2)));
    await Deno.writeTextFile(join(folder, "classes.txt"), "even\nodd\n");
    const set = await open(folder);
    assert.deepEqual(set.classes, ["even", "odd"]);
    assert.deepEqual(await colours(set.train), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual([...set.train.labels], [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    assert.deepEqual(await colours(set.test), [20, 21]);
    assert.equal(set.train.names!.at(7), "train-1.tar/0007");
    assert.deepEqual([...(set.train.images as ImageSource).archives!], [
      0,
      0,
      0,
      0,
      0,
      0,
      1,
      1,
      1,
      1,
    ]);
    const again = await open(join(folder, "train-{0..1}.tar"), { testShare: 0.4 });
    assert.equal(again.train.labels.length + again.test.labels.length, 10);
    assert.equal(again.test.labels.length, 4);
  }));

Deno.test("webdataset: the class in .cls, .txt or a field of .json; indices are in their order", () =>
  inFolder(async (folder) => {
    const at = join(folder, "a.tar");
    await Deno.writeFile(
      at,
      tar({
        "dir/a.jpg.png": picture(1),
        "dir/a.json": text('{"caption": "x", "label": 10}'),
        "dir/b.json": text('{"label": 9}'),
        "dir/b.png": picture(2),
        "dir/b.seg.png": picture(3),
        "__MACOSX/._b.png": text("shadow"),
        "c.txt": text("9\n"),
        "c.png": picture(4),
        "d.cls": text("10"),
        "d.PNG": picture(5),
      }),
    );
    const set = await open(at, { testShare: 0.5 });
    assert.deepEqual(set.classes, ["9", "10"]);
    const both = [...await colours(set.train), ...await colours(set.test)].sort();
    assert.deepEqual(both, [1, 2, 4, 5]);
    assert.deepEqual(set.notes!.leftOut.map(({ why, count }) => [why, count]), [[
      "further images of a sample",
      1,
    ]]);
    assert.match(set.notes!.warnings.join(), /of the classes 0 to 10 there are images of 2/);
  }));

Deno.test("webdataset: what a shard lacks is said with its name and the sample's", () =>
  inFolder(async (folder) => {
    const at = join(folder, "a.tar");
    const refused = async (files: Parameters<typeof tar>[0], message: RegExp) => {
      await Deno.writeFile(at, tar(files));
      await userError(open(at), ExitCode.data, message);
    };
    await refused({ "a.png": picture(1) }, /a\.tar\/a: nothing says its class/);
    await refused({ "a.cls": text("1") }, /a\.tar\/a: there is no image, but/);
    await refused({ "a.png": picture(1), "a.cls": text("") }, /a\.cls: it is empty, and no class/);
    await refused({ "a.png": picture(1), "a.json": text("{") }, /a\.json: no JSON/);
    await refused({ "a.png": picture(1), "a.json": text('{"url": ""}') }, /no field .* is url/);
    await refused({
      "a.png": text("no"),
      "a.cls": text("1"),
      "b.png": picture(2),
      "b.cls": text("0"),
    }, /a\.png: no image/);
    await refused({ "a.png": picture(1), "a.cls": text("1"), "a.PNG": picture(2) }, /second .*png/);
    // "ä" as Latin-1 has it: under the sign for what is no UTF-8, classes would be one.
    await refused({ "a.png": picture(1), "a.txt": Uint8Array.of(0xe4) }, /a\.txt: it is not text/);
    const whole = tar(samples(0, 8));
    await Deno.writeFile(at, whole.subarray(0, 512 + 512 + 512 + 20));
    await userError(open(at), ExitCode.data, /a\.tar: truncated: .*0000\.png/);
    // Wherever it is cut off, it is noticed: in a header, an image, its padding, or between two files.
    const ends = whole.length - 1024;
    assert.ok(whole.subarray(ends).every((byte) => byte === 0), "the end's mark");
    for (let cut = 512; cut < ends; cut += 100) {
      await Deno.writeFile(at, whole.subarray(0, cut));
      const found = await open(at).then(
        (set) => set.notes!.warnings.join(),
        (error) => error.message,
      );
      assert.match(found, /truncated: it ends in the middle|nothing marks the end of/, `${cut}`);
    }
    for (let cut = 1024; cut < ends; cut += 512) {
      await Deno.writeFile(at, whole.subarray(0, cut));
      const found = await open(at).then(
        (set) => set.notes!.warnings.join(),
        (error) => error.message,
      );
      assert.match(found, /truncated|nothing marks the end of|images of one class/, `${cut}`);
    }
    await Deno.writeFile(at, new Uint8Array());
    await userError(open(at), ExitCode.data, /a\.tar: there are no samples in it/);
    await refused(
      { "a.png": picture(1), "a.cls": text("-1") },
      /a\.png: its class is -1, which is no/,
    );
    await Deno.writeFile(at, whole.with(3, 1));
    await userError(open(at), ExitCode.data, /corrupt: bad tar header at byte 0/);
    await Deno.writeFile(join(folder, "b.tar.gz"), Uint8Array.of(1));
    await Deno.remove(at);
    await userError(open(folder), ExitCode.data, /b\.tar\.gz is compressed/);
    await Deno.remove(join(folder, "b.tar.gz"));
    await userError(open(folder), ExitCode.data, /there are no shards/);
    await userError(
      open(join(folder, "x-{00..03}.tar")),
      ExitCode.data,
      /x-00\.tar, the shard 1 of 4/,
    );
  }));

Deno.test("webdataset: names in braces", () => {
  assert.deepEqual(
    expandBraces("a-{08..11}.tar"),
    ["08", "09", "10", "11"].map((n) => `a-${n}.tar`),
  );
  assert.deepEqual(expandBraces("{a,b}/{0..1}.tar"), ["a/0.tar", "a/1.tar", "b/0.tar", "b/1.tar"]);
  assert.throws(() => expandBraces("{3..1}.tar"), /neither a list nor a range/);
  assert.throws(() => expandBraces("{3..1"), /a brace that is not closed/);
  assert.throws(() => expandBraces("{0..99999999}.tar"), /neither a list nor a range/);
});

Deno.test("images in archives: each once an epoch, most of an archive's near each other", () => {
  const of = Uint32Array.from({ length: 100_000 }, (_, i) => Math.floor(i / 1000));
  const order = byArchives(of);
  const [first, again, second] = [
    order(of.length, 5, 0),
    order(of.length, 5, 0),
    order(of.length, 5, 1),
  ];
  assert.deepEqual(first, again);
  assert.notDeepEqual(first, second);
  for (const seen of [first, second]) assert.equal(new Set(seen).size, of.length);
  // An image waits beside 8,191 others, so in ten thousand steps few archives are open.
  const open = new Set(Array.from(first.subarray(40_000, 41_000), (i) => of[i]));
  assert.ok(open.size < 45, `${open.size} archives in 1,000 images`);
  const some = byArchives(Uint32Array.of(0, 0, 1))(3, 1, 0);
  assert.deepEqual([...some].sort(), [0, 1, 2]);
});
