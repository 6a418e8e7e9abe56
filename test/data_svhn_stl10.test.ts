/** SVHN's .mat files and STL-10's binary ones, made byte by byte, and every mistake named. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { ExitCode } from "../engine/errors.ts";
import { readStl10 } from "../engine/data/stl10.ts";
import { readSvhn } from "../engine/data/svhn.ts";
import { readMat } from "../engine/io/mat.ts";
import { concat, inFolder, inFolderWith, userError } from "./support/io.ts";

const word = (n: number) => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24];
const bytesOf = (text: string) => [...text].map((letter) => letter.charCodeAt(0));

/** An element: type, number of bytes, data, padding to 8 bytes. */
function element(type: number, data: Uint8Array | number[]): Uint8Array<ArrayBuffer> {
  const padding = (8 - data.length % 8) % 8;
  return concat(word(type), word(data.length), data, new Uint8Array(padding));
}

/** A small element: type and number of bytes in one word, then up to four bytes. */
const small = (type: number, data: number[]) =>
  concat([type, 0, data.length, 0], data, new Uint8Array(4 - data.length));

/** An array of class mxUINT8 (9) or mxDOUBLE (6). */
function matrix(
  name: string,
  shape: number[],
  values: Uint8Array<ArrayBuffer>,
  { arrayClass = 9, flags = 0 } = {},
): Uint8Array<ArrayBuffer> {
  const named = bytesOf(name);
  return element(
    14,
    concat(
      element(6, [arrayClass, flags, 0, 0, 0, 0, 0, 0]),
      element(5, shape.flatMap(word)),
      named.length <= 4 ? small(1, named) : element(1, named),
      values,
    ),
  );
}

const compressed = (array: Uint8Array) => {
  const data = Uint8Array.from(deflateSync(array));
  return concat(word(15), word(data.length), data);
};

const header = concat(
  bytesOf("MATLAB 5.0 MAT-file, made for a test".padEnd(116)),
  new Uint8Array(8),
  [0, 1],
  bytesOf("IM"),
);

/** Two images: pixel (h, w) of image n has red h, green w and blue 100 + n. */
function digits(n: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(n * 3072);
  for (let image = 0, at = 0; image < n; image++) {
    for (let c = 0; c < 3; c++) {
      for (let w = 0; w < 32; w++) {
        for (let h = 0; h < 32; h++) out[at++] = [h, w, 100 + image][c];
      }
    }
  }
  return out;
}

const X = (n: number) => matrix("X", [32, 32, 3, n], element(2, digits(n)));
const y = (...labels: number[]) =>
  matrix("y", [labels.length, 1], labels.length <= 4 ? small(2, labels) : element(2, labels), {
    arrayClass: 6,
  });
const svhn = {
  "train_32x32.mat": concat(header, compressed(X(3)), compressed(y(10, 1, 9))),
  "test_32x32.mat": concat(header, X(2), y(2, 10)),
};

Deno.test("svhn: compressed and plain arrays, columns turned into rows, 10 into 0", () =>
  inFolderWith(svhn, async (folder) => {
    const set = await readSvhn(folder);
    assert.deepEqual([...set.train.labels], [0, 1, 9]);
    assert.deepEqual([...set.test.labels], [2, 0]);
    const pixel = (image: number, h: number, w: number) => {
      const at = ((image * 32 + h) * 32 + w) * 3;
      return [...set.train.images.subarray(at, at + 3)];
    };
    assert.deepEqual(pixel(0, 5, 9), [5, 9, 100]);
    assert.deepEqual(pixel(2, 31, 0), [31, 0, 102]);
    assert.equal(set.train.images.length, 3 * 3072);
    assert.deepEqual(set.augmentation, { cropPadding: 4, flip: false });
  }));

Deno.test("mat: long names, other arrays passed over, all types of numbers", async () => {
  const file = concat(
    header,
    matrix("text", [1, 2], element(4, [65, 0, 66, 0]), { arrayClass: 4 }),
    matrix("doubles", [2, 1], element(9, new Uint8Array(Float64Array.of(0.5, -3).buffer))),
    matrix("short", [1], element(3, [255, 255])),
  );
  const arrays = await readMat(file, "a.mat");
  assert.deepEqual([...arrays.keys()], ["doubles", "short"]);
  assert.deepEqual([...arrays.get("doubles")!.data], [0.5, -3]);
  assert.deepEqual([...arrays.get("short")!.data], [-1]);
});

const wrongSvhn: [string, Uint8Array, RegExp][] = [
  ["an empty file", new Uint8Array(), /truncated: 0 bytes, but the header takes 128/],
  ["another file", concat(header).fill(65), /no \.mat file of version 5/],
  ["version 7.3", concat(header).with(125, 2), /version 5, but one of version 7\.3/],
  ["a cut array", concat(header, X(2)).subarray(0, 3000), /truncated: .*middle of an array/],
  ["cut compression", svhn["train_32x32.mat"].subarray(0, 200), /truncated/],
  ["corrupt compression", svhn["train_32x32.mat"].with(140, 0).with(137, 3), /corrupt/],
  [
    "a bomb",
    concat(header, compressed(concat(word(14), word(16), new Uint8Array(5e7)))),
    /more than the 24 bytes/,
  ],
  [
    "a large claim",
    concat(header, compressed(concat(word(14), word(4e9), new Uint8Array(99)))),
    /may unfold to/,
  ],
  ["no labels", concat(header, X(2)), /no array y in it/],
  ["other images", concat(header, matrix("X", [2], small(2, [1, 2])), y(1)), /X is 2, not 32 x 32/],
  ["too few labels", concat(header, X(2), y(1)), /X holds 2 images, but y 1 labels/],
  ["a label out of range", concat(header, X(2), y(1, 11)), /label 1 of y is 11/],
  ["a digit 0 as 0", concat(header, X(2), y(0, 1)), /label 0 of y is 0, but they are 1 to 10/],
  ["complex values", concat(header, matrix("X", [1], small(2, [1]), { flags: 8 })), /X is complex/],
  ["too few values", concat(header, matrix("X", [5], small(2, [1]))), /X of 5 has 1 values/],
];

for (const [what, bytes, message] of wrongSvhn) {
  Deno.test(`svhn: ${what} is named`, () =>
    inFolderWith({ ...svhn, "test_32x32.mat": bytes }, async (folder) => {
      const error = await userError(readSvhn(folder), ExitCode.data, message);
      assert(error.message.startsWith(join(folder, "test_32x32.mat")));
    }));
}

Deno.test("svhn: a missing file is named", () =>
  inFolder(async (folder) => {
    await userError(readSvhn(folder), ExitCode.data, /svhn: there is no .*train_32x32\.mat/);
  }));

/** Images whose pixel (h, w) has red h, green w and blue their number. */
function stlImages(n: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: n * 3 * 9216 }, (_, at) => {
    const [image, c, w, h] = [
      Math.floor(at / 27648),
      Math.floor(at / 9216) % 3,
      Math.floor(at / 96) % 96,
      at % 96,
    ];
    return [h, w, image][c];
  });
}
const stl10 = {
  "train_X.bin": stlImages(2),
  "train_y.bin": Uint8Array.of(1, 10),
  "test_X.bin": stlImages(1),
  "test_y.bin": Uint8Array.of(7),
};

Deno.test("stl10: column by column and plane by plane, labels from 1", () =>
  inFolderWith(stl10, async (folder) => {
    const set = await readStl10(folder);
    assert.deepEqual([...set.train.labels, ...set.test.labels], [0, 9, 6]);
    assert.deepEqual([set.height, set.width, set.classes[6]], [96, 96, "horse"]);
    const at = 27648 + (70 * 96 + 12) * 3;
    assert.deepEqual([...set.train.images.subarray(at, at + 3)], [70, 12, 1]);
  }));

const wrongStl10: [string, Record<string, Uint8Array>, RegExp][] = [
  ["cut images", { "test_X.bin": stlImages(1).subarray(1) }, /test_X.bin: truncated, .*0 images/],
  [
    "an image too many",
    { "test_X.bin": stlImages(2) },
    /test_X.* 2 images, but .*test_y.* 1 label/,
  ],
  ["a byte too many", { "test_X.bin": concat(stlImages(1), [0]) }, /1 images .* and 1 bytes more/],
  ["a label out of range", { "test_y.bin": Uint8Array.of(11) }, /test_y.bin: label 0 is 11/],
  ["no images", { "test_X.bin": new Uint8Array() }, /test_X.bin: .*0 bytes/],
];

for (const [what, files, message] of wrongStl10) {
  Deno.test(`stl10: ${what} is named`, () =>
    inFolderWith({ ...stl10, ...files }, async (folder) => {
      const error = await userError(readStl10(folder), ExitCode.data, message);
      assert(error.message.includes(folder));
    }));
}

Deno.test("stl10: a missing file is named, the archive's folder may be inside", () =>
  inFolder(async (folder) => {
    await userError(readStl10(folder), ExitCode.data, /stl10: there is no train_X.bin in/);
    await Deno.mkdir(join(folder, "stl10_binary"));
    for (const [name, bytes] of Object.entries(stl10)) {
      await Deno.writeFile(join(folder, "stl10_binary", name), bytes);
    }
    assert.equal((await readStl10(folder)).train.labels.length, 2);
  }));
