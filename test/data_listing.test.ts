/** What of a folder is data: links, encodings, names of parts and classes, and what is left out. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { trainingSplits } from "../engine/data/dataset.ts";
import { partOf } from "../engine/data/part_names.ts";
import { loadDataSet, type LoadOptions } from "../engine/data/registry.ts";
import { ExitCode } from "../engine/errors.ts";
import { inside, isInside } from "../engine/io/inside.ts";
import { decodeText } from "../engine/io/text.ts";
import { encodePng } from "../engine/io/image.ts";
import sharp from "sharp";
import { concat, inFolder, inFolderWith, userError } from "./support/io.ts";

/** A picture that no other number gives. */
const png = (n: number) =>
  encodePng({ height: 4, width: 4, channels: 3, data: new Uint8Array(48).fill(n) });
const images = (...names: string[]) => Object.fromEntries(names.map((name, n) => [name, png(n)]));
/** Four images in each of the folders. */
const folders = (...names: string[]) =>
  images(...names.flatMap((name) => [0, 1, 2, 3].map((i) => `${name}/${i}.png`)));
const load = (dataDir: string, folder: LoadOptions["folder"] = {}) =>
  loadDataSet({ name: "folder", dataDir, folder });
const sizes = async (dataDir: string, folder?: LoadOptions["folder"]) => {
  const { train, validation, test } = await load(dataDir, folder);
  return [train, validation, test].map((split) => split?.labels.length);
};
const refused = (files: Record<string, Uint8Array | string>, message: RegExp) =>
  inFolderWith(files, async (folder) => {
    const data = join(folder, Object.keys(files)[0]?.startsWith("data/") ? "data" : "");
    await userError(load(data), ExitCode.data, message);
  });

Deno.test("links to folders and files are followed, but not in circles, and dead ones are told", () =>
  inFolderWith({
    ...images("apple/0.png", "apple/1.png", "store/a/2.png", "store/a/3.png", "4.png"),
    "txt/a.txt": "",
  }, async (root) => {
    const data = join(root, "data");
    await Deno.mkdir(data);
    await Deno.symlink(join(root, "apple"), join(data, "apple"));
    await Deno.symlink("../store/a", join(data, "banana"));
    await Deno.symlink(data, join(root, "apple/again"));
    await Deno.symlink(join(root, "4.png"), join(root, "apple/linked.png"));
    await Deno.symlink("nowhere", join(root, "apple/dead.png"));
    const set = await load(data);
    assert.deepEqual(set.classes, ["apple", "banana"]);
    assert.equal(set.train.labels.length + set.test.labels.length, 5);
    await Deno.symlink("../gone", join(data, "cherry"));
    await userError(load(data), ExitCode.data, /data.cherry is a link that leads nowhere/);
    const why = set.notes!.leftOut.map(({ why, count }) => `${count} ${why}`).sort();
    assert.match(why.join("; "), /^1 links that lead nowhere; 1 links to a folder that was read/);
  }));

Deno.test("text in UTF-8 or with UTF-16's mark is read, any other is refused by its line", async () => {
  const table = "file,label\n0.png,café\n1.png,cafè\n";
  const utf16 = new Uint8Array(Uint16Array.from(table, (c) => c.charCodeAt(0)).buffer);
  const read = (bytes: Uint8Array) =>
    inFolderWith({ ...images("0.png", "1.png"), "t.csv": bytes }, async (folder) => {
      assert.deepEqual((await load(folder)).classes, ["cafè", "café"]);
    });
  await read(new TextEncoder().encode(table));
  await read(new TextEncoder().encode("\ufeff" + table));
  await read(concat([0xff, 0xfe], utf16));
  const windows = Uint8Array.from(table, (c) => c.charCodeAt(0));
  await refused({ ...images("0.png", "1.png"), "t.csv": windows }, /t\.csv: .* UTF-8, in line 2/);
  assert.throws(
    () => decodeText(concat([0xff, 0xfe], [0, 0xd8]), "a", ExitCode.data),
    /not text in UTF-16LE/,
  );
});

Deno.test("a link that a checkout made a text file is told, where a class or part was meant", async () => {
  await refused(
    { ...folders("data/apple", "data/banana", "store/cherry"), "data/cherry": "../store/cherry" },
    /data.cherry is a text file that names the folder \.\.\/store\/cherry/,
  );
  await refused(
    { ...folders("data/train/a", "data/train/b", "store/test/a"), "data/test": "../store/test\n" },
    /data.test is a text file that names the folder/,
  );
  await inFolderWith({ ...folders("a", "b"), "readme": "a", "LICENSE": "text" }, async (folder) => {
    assert.deepEqual((await load(folder)).classes, ["a", "b"]);
  });
});

Deno.test("a table's words are no keys of the program", async () => {
  for (const word of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
    const files = { ...images("0.png", "1.png"), "t.csv": `file,label,split\n0.png,a,${word}\n` };
    await refused(files, new RegExp(`line 2: there is no part ${word}`));
    const labels = `file,label\n0.png,a\n1.png,${word}\n`;
    await inFolderWith({ ...images("0.png", "1.png"), "t.csv": labels }, async (folder) => {
      assert.deepEqual((await load(folder)).classes, [word, "a"].sort());
    });
    await inFolderWith(folders(`${word}`, "b"), async (folder) => {
      assert.deepEqual((await load(folder)).classes, [word, "b"].sort());
    });
  }
});

Deno.test("parts have the names that people give them", () => {
  const spellings = {
    train: "train Train TRAINING train_set training-images trainset train2017 Train(1) train.data",
    val: "val valid validation Validation_Set dev val2017 valset validation-data",
    test: "test Testing test_images testset test2 holdout hold_out evaluation",
  };
  for (const [part, names] of Object.entries(spellings)) {
    for (const name of names.split(" ")) assert.equal(partOf(name), part, name);
  }
  for (
    const name of ["cat", "constraint", "latest", "trainer", "train_test", "images", "", "tést"]
  ) {
    assert.equal(partOf(name), undefined, name);
  }
});

Deno.test("parts in folders and tables, spelled otherwise, and the guess is told", async () => {
  await inFolderWith(
    folders("Training/a", "Training/b", "hold_out/a", "valid/b"),
    async (folder) => {
      assert.deepEqual(await sizes(folder), [8, 4, 4]);
      const { guesses } = (await load(folder)).notes!;
      assert.match(
        guesses.map(({ what }) => what).join("; "),
        /Training is the train part; hold_out/,
      );
    },
  );
  const lines = (...files: string[]) =>
    "file,label\n" + files.map((file) => `${file},${file[0]}\n`).join("");
  await inFolderWith({
    ...images("a1.png", "b1.png", "a2.png", "b2.png", "c3.png"),
    "Training_Labels.csv": lines("a1.png", "b1.png"),
    "testset.csv": lines("a2.png", "b2.png"),
    "classes.csv": "",
  }, async (folder) => {
    assert.deepEqual(await sizes(folder), [2, undefined, 2]);
    const left = (await load(folder)).notes!.leftOut.map(({ why, count }) => `${count} ${why}`);
    assert.deepEqual(left, ["1 tables of no part", "1 images that no table names"]);
  });
});

Deno.test("a class may be called as a part is, if its folder holds images", () =>
  inFolderWith(folders("train", "bus", "car"), async (folder) => {
    assert.deepEqual((await load(folder)).classes, ["bus", "car", "train"]);
  }));

Deno.test("what is odd is told: classes spelled alike, several pictures, no test image", async () => {
  const gif = Uint8Array.from(
    await sharp(new Uint8Array(3 * 4 * 8).map((_, i) => 9 * i % 200), {
      raw: { width: 4, height: 8, channels: 3, pageHeight: 4 },
    }).gif().toBuffer(),
  );
  await inFolderWith({
    ...folders("train/hot_dog", "train/Hot dog", "train/1", "train/1.0", "test/1"),
    "train/1/moving.gif": gif,
  }, async (folder) => {
    const { warnings } = (await load(folder)).notes!;
    assert.match(warnings.join("; "), /1 and 1\.0 are classes of their own/);
    assert.match(warnings.join("; "), /Hot dog and hot_dog are classes of their own/);
    assert.match(warnings.join("; "), /no image of 1\.0, Hot dog, hot_dog is in the test part/);
    assert.match(warnings.join("; "), /1 file holds several pictures.*moving\.gif/);
  });
});

Deno.test("tables with semicolons or tabs are read as tables with commas", async () => {
  for (const separator of [";", "\t"]) {
    const table = ["file,label", "0.png,a", "1.png,b"].join("\r\n").replaceAll(",", separator);
    await inFolderWith({ ...images("0.png", "1.png"), "t.csv": table }, async (folder) => {
      assert.deepEqual((await load(folder)).classes, ["a", "b"]);
    });
  }
});

const doubts: [string, Record<string, Uint8Array | string>, RegExp][] = [
  ["parts of a foreign name", folders("uno/a", "uno/b", "dos/a", "dos/b"), /uno all hold .* a, b/],
  [
    "a further part",
    folders("train/a", "train/b", "test/a", "test/b", "prueba/a"),
    /prueba lies beside test, train and holds classes too \(a\), but its name says no part/,
  ],
  ["a test part without train", folders("test/a", "test/b", "val/a"), /test, val, but no .* train/],
  ["parts without classes", folders("train", "test"), /hold no folder for each class/],
  ["two parts of one name", folders("train/a", "train/b", "Training/a"), /Training and train may/],
  ["classes beside a part", folders("a", "b", "train/a"), /a lies beside train: is it a class/],
  [
    "two columns of classes",
    { ...images("0.png"), "t.csv": "file,label,class\n0.png,a,b\n" },
    /the columns label and class may both be meant/,
  ],
  [
    "an image of two classes",
    { ...images("0.png"), "t.csv": "file,label\n0.png,a\n0.png,b\n" },
    /0\.png two classes: a and b/,
  ],
  [
    "two files of one name",
    { ...images("0.png", "images/0.png"), "t.csv": "file,label\n0.png,a\n" },
    /line 2: .*0\.png may both be meant/,
  ],
  ["kinds of files", folders("images", "masks"), /images and masks, which do not look like cl/],
  [
    "a class of another format",
    { ...folders("a"), "b/0.bmp": "", "b/1.bmp": "" },
    /no images in .*b, but 2 images of a format that isn't read \(\.bmp\)/,
  ],
  ["a table of tests alone", { "test.csv": "" }, /test\.csv, but no table of the images to train/],
];
for (const [what, files, message] of doubts) {
  Deno.test(`doubt is an error: ${what}`, () => refused(files, message));
}

Deno.test("--layout settles what folders are", () =>
  inFolderWith(folders("train/a", "train/b", "other/a", "other/b"), async (folder) => {
    await userError(load(folder), ExitCode.data, /other lies beside train/);
    assert.deepEqual((await load(folder, { layout: "classes" })).classes, ["other", "train"]);
    const set = await load(folder, { layout: "parts" });
    assert.deepEqual(set.classes, ["a", "b"]);
    assert.match(set.notes!.leftOut[0].why, /files in other, which is no part/);
  }));

Deno.test("no class is left without a training image", () =>
  inFolderWith(
    { ...folders("apple", "banana"), "cherry/0.png": png(99) },
    async (folder) => {
      const set = await load(folder);
      const { train } = trainingSplits(set, { validation: 0.3, seed: 0 });
      assert.deepEqual(new Set(train.labels), new Set([0, 1, 2]));
      assert.match(set.notes!.warnings.join(), /cherry has one image, which is trained on/);
      assert.throws(
        () => trainingSplits(set, { validation: 0.3, seed: 0, limit: 2 }),
        /2 images leave 1 of 3 classes without any to train on/,
      );
    },
  ));

Deno.test("many classes of two images: what is too few is said rightly", () =>
  inFolderWith(
    images(...Array.from({ length: 40 }, (_, i) => `${i >> 1}/${i}.png`)),
    async (folder) => {
      const set = await load(folder);
      assert.throws(
        () => trainingSplits(set, { validation: 0.1, seed: 0 }),
        /20 images of 20 classes to train on .* no class has two of them/,
      );
    },
  ));

Deno.test("--test-share and --val-for settle what is tested on", async () => {
  await inFolderWith(folders("a", "b"), async (folder) => {
    assert.deepEqual(await sizes(folder), [6, undefined, 2]);
    assert.deepEqual(await sizes(folder, { testShare: 0.5 }), [4, undefined, 4]);
  });
  await inFolderWith(folders("train/a", "train/b", "val/a"), async (folder) => {
    assert.deepEqual(await sizes(folder), [8, undefined, 4]);
    assert.deepEqual(await sizes(folder, { valFor: "validation" }), [6, 4, 2]);
    assert.deepEqual(await sizes(folder, { valFor: "both" }), [8, 2, 2]);
    const { validation, test } = await load(folder, { valFor: "both" });
    assert.ok(new Set(validation!.names).isDisjointFrom(new Set(test.names)));
    const message = /--test-share has no effect: .* a val part for the test/;
    const given = { valFor: "both", testShare: 0.5 } as const;
    await userError(load(folder, given), ExitCode.usage, message);
  });
});

Deno.test("what a run or sift wrote into the data's folder is passed over", () =>
  inFolderWith({
    ...folders("a", "b"),
    ...folders("sifted/images"),
    "run/config.json": JSON.stringify({ command: "treat", seed: 0 }, null, 2),
    "run/tensorboard/baseline/events": "",
    "runs/one/config.json": JSON.stringify({ command: "train" }, null, 2),
    "table/table.json": "{}",
    "table/cells/one/config.json": JSON.stringify({ command: "treat" }, null, 2),
    "sifted/manifest.json": JSON.stringify({ version: 1, data: "folder", images: [] }, null, 2),
  }, async (folder) => {
    const set = await load(folder);
    assert.deepEqual(set.classes, ["a", "b"]);
    assert.deepEqual(set.notes!.leftOut.map(({ why, count }) => `${count} ${why}`), [
      "4 folders that runs or sift wrote",
    ]);
  }));

Deno.test("an option that has no effect on a folder is refused", async () => {
  const usage = (
    files: Record<string, Uint8Array | string>,
    given: LoadOptions["folder"],
    message: RegExp,
  ) =>
    inFolderWith(files, async (folder) => {
      await userError(load(folder, given), ExitCode.usage, message);
    });
  const parts = folders("train/a", "train/b", "test/a", "test/b", "val/a");
  await usage(parts, { testShare: 0.2 }, /--test-share has no effect: .* has a test part/);
  await usage(parts, { valFor: "test" }, /--val-for has no effect: .* has a test part/);
  await usage(folders("a", "b"), { valFor: "test" }, /--val-for has no effect: .* no val part/);
  await usage(folders("a", "b"), { outside: true }, /--outside has no effect: .* no table/);
  const table = { ...images("0.png"), "t.csv": "file,label\n0.png,a\n" };
  await usage(table, { layout: "classes" }, /--layout has no effect: .* a table/);
});

Deno.test("what is left out is counted by its reason", () =>
  inFolderWith({
    ...folders("a", "b"),
    ...images("stray.png", "a/.hidden.png", "a/x.heic", "b/y.svg", "__MACOSX/a/._0.png"),
    "a/notes.txt": "",
    "readme": "",
  }, async (folder) => {
    const left = (await load(folder)).notes!.leftOut.map(({ why, count }) => `${count} ${why}`);
    assert.deepEqual(left.sort(), [
      "1 images in no class's folder",
      "1 images of a format that isn't read (.heic)",
      "1 images of a format that isn't read (.svg)",
      "1 other files (.txt)",
      "1 other files (without an ending)",
      "2 hidden",
    ]);
  }));

Deno.test("images that would be called the same have names of their own", () =>
  inFolderWith(images("a/0.png", "a/0.PNG", "b/0.png", "b/1.png"), async (folder) => {
    const { train, test } = await load(folder);
    assert.deepEqual([...train.names!, ...test.names!].sort(), [
      "a/0.PNG",
      "a/0.png",
      "b/0",
      "b/1",
    ]);
  }));

Deno.test("a table's paths stay in its folder, or where the program is run, unless allowed", () =>
  inFolder(async (root) => {
    const data = join(root, "csv");
    await Deno.mkdir(data);
    await Deno.writeFile(join(root, "0.png"), png(0));
    await Deno.writeFile(join(data, "1.png"), png(1));
    for (const outside of ["../0.png", "..\\0.png", join(root, "0.png"), "x/../../0.png"]) {
      await Deno.writeTextFile(join(data, "t.csv"), `file,label\n"${outside}",a\n1.png,b\n`);
      const error = await userError(load(data), ExitCode.data, /t\.csv: line 2: the path .*0\.png/);
      assert.match(error.hint!, /--outside/);
      if (outside.startsWith("x")) continue;
      const { train, test } = await load(data, { outside: true });
      const names = [...train.names!, ...test.names!];
      assert(names.every((name) => isInside(data, join(data, name))), names.join());
    }
  }));

Deno.test("inside: no path of a file leads out of its folder", () => {
  for (const path of ["a.png", "a/b/c", "..a/b", "a/../b", "...", "a..b"]) {
    assert(inside("/data/x", path, "t.csv").startsWith("/data/x/"), path);
  }
  const out = [
    "..",
    "../x/../..",
    "a/../../b",
    "/etc/passwd",
    "C:\\a",
    "c:a",
    "\\\\host\\a",
    "",
    "a\0",
  ];
  for (const path of out) {
    assert.throws(() => inside("/data/x", path, "t.csv: line 3"), /line 3/, path);
  }
});
