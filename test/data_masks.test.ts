/** Shapes as masks, LabelMe's files, PNG masks, and folders of them; every mistake named. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { NO_MASK } from "../engine/data/dataset.ts";
import { pictureShape, readLabelMe } from "../engine/data/labelme.ts";
import { withMaskFiles } from "../engine/data/mask_files.ts";
import { circle, polygon, rasterise, rectangle, union, without } from "../engine/data/raster.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { encodePng } from "../engine/io/image.ts";
import { within } from "./support/bounds.ts";
import { inFolderWith, userError } from "./support/io.ts";
import { SIZE, tinySet } from "./support/train.ts";

const square = (side: number) => ({ height: side, width: side });
const area = (mask: Uint8Array) => mask.reduce((sum, share) => sum + share, 0) / 255;

Deno.test("raster: rectangles are exact, in parts of pixels and at another size", async () => {
  const shape = rectangle([[1, 1.5], [3.25, 3]]);
  // deno-fmt-ignore
  assert.deepEqual([...await rasterise(shape, square(4), square(4))].map((share) => share / 255), [
    0, 0, 0, 0,
    0, 128 / 255, 128 / 255, 32 / 255,
    0, 1, 1, 64 / 255,
    0, 0, 0, 0,
  ]);
  assert.deepEqual(
    await rasterise(rectangle([[3.25, 3], [1, 1.5]]), square(4), square(4)), // corners swapped
    await rasterise(shape, square(4), square(4)),
  );
  const half = await rasterise(rectangle([[2, 0], [6, 4]]), { height: 4, width: 8 }, square(2));
  assert.deepEqual([...half], [128, 128, 128, 128]);
  assert.equal(area(await rasterise(rectangle([[-9, -9], [2, 2]]), square(4), square(4))), 4);
});

Deno.test("raster: polygons and circles have their area, crossings count by evenness", async () => {
  const triangle = await rasterise(polygon([[0, 0], [8, 0], [0, 8]]), square(8), square(8));
  assert(Math.abs(area(triangle) - 32) < 0.1);
  assert.deepEqual([triangle[0], triangle[63]], [255, 0]);
  assert.equal(triangle[7], 128, "half of the pixel on the edge");
  const disc = area(await rasterise(circle([[8, 8], [8, 13]]), square(16), square(16)));
  assert(Math.abs(disc - 25 * Math.PI) < 0.3, `${disc}`);
  // A loop that runs twice round its middle: what lies in both rounds is outside.
  const twice = polygon([[0, 0], [6, 0], [6, 6], [0, 6], [0, 0], [2, 2], [4, 2], [4, 4], [2, 4], [
    2,
    2,
  ]]);
  assert.equal(area(await rasterise(twice, square(6), square(6))), 32);
  const [a, b] = [rectangle([[0, 0], [4, 4]]), rectangle([[2, 2], [6, 6]])];
  assert.equal(area(await rasterise(union(a, b), square(6), square(6))), 28);
  assert.equal(area(await rasterise(without(a, b), square(6), square(6))), 12);
});

Deno.test("raster: a large shape leaves turns to everything else", async () => {
  const side = 2048;
  const star = polygon(Array.from({ length: 1000 }, (_, i) => {
    const [angle, reach] = [i * 2.4, i % 2 ? side / 2 : side / 5];
    return [side / 2 + reach * Math.cos(angle), side / 2 + reach * Math.sin(angle)] as const;
  }));
  // It takes some hundred milliseconds, and more beside other work; there is a turn every 50.
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await rasterise(star, square(side), square(64));
  clearInterval(timer);
  assert(turns >= 2, `${turns} turns`);
});

const labelMe = (shapes: unknown[], size = SIZE) =>
  JSON.stringify({
    ...{ version: "5.5.0", flags: {}, shapes, imagePath: "a.png", imageData: null },
    ...{ imageHeight: size, imageWidth: size },
  });
const box = (label: string, ...points: number[][]) => ({ label, points, shape_type: "rectangle" });
const areaOf = async (shapes: unknown[]) => {
  const { shape, size } = await readLabelMe(labelMe(shapes), "a.json");
  return area(await rasterise(shape, size, square(SIZE)));
};

Deno.test("labelme: shapes of every kind are united, background takes away", async () => {
  const figure = box("cat", [0, 0], [6, 6]);
  assert.equal(await areaOf([figure]), 36);
  assert.equal(await areaOf([figure, box("tail", [5, 5], [8, 8])]), 36 + 9 - 1);
  assert.equal(await areaOf([figure, box("Background", [1, 1], [3, 3])]), 32);
  // In the order in which they were drawn: a figure in the hole.
  assert.equal(
    await areaOf([figure, box("background", [1, 1], [4, 4]), box("cat", [2, 2], [3, 3])]),
    36 - 9 + 1,
  );
  const points = [[0, 0], [4, 0], [4, 4], [0, 4]];
  assert.equal(await areaOf([{ label: "a", points }]), 16, "a polygon where no type is given");
  assert.equal(await areaOf([{ label: "a", points, shape_type: "oriented_rectangle" }]), 16);
  const round = { label: "a", points: [[4, 4], [4, 6]], shape_type: "circle" };
  assert(Math.abs(await areaOf([round]) - 4 * Math.PI) < 0.2);
  const data = Uint8Array.of(0, 1, 255, 0, 9, 0);
  const mask = encodePng({ height: 2, width: 3, channels: 1, data }).toBase64();
  assert.equal(
    await areaOf([{ label: "a", points: [[5, 1], [7, 2]], shape_type: "mask", mask }]),
    3,
  );
  assert.equal((await readLabelMe(labelMe([]), "a.json")).count, 0);
});

Deno.test("labelme: what would take minutes is refused, and a thousand shapes take none", async () => {
  const fails = (text: string, message: RegExp) =>
    assert.rejects(readLabelMe(text, "a.json"), { name: "UserError", message });
  const sized = (height: number, width: number) =>
    JSON.stringify({ ...JSON.parse(labelMe([])), imageHeight: height, imageWidth: width });
  await fails(sized(4294967295, 10), /a\.json: an image of 10 x 4294967295 pixels, more than/);
  const boxes = (n: number) =>
    Array.from({ length: n }, (_, i) => box("a", [i / n, 0], [(i + 0.5) / n, SIZE]));
  await fails(labelMe(boxes(1001)), /1001 shapes, more than the 1000 allowed/);
  const many = { label: "a", shape_type: "polygon", points: Array(60_000).fill([1, 1]) };
  await fails(labelMe([many]), /60000 points, more than the 20000 allowed/);
  const area = await within(2000, "1000 shapes", () => areaOf(boxes(1000)));
  assert(Math.abs(area - SIZE / 2) < 0.1);
});

Deno.test("labelme: what is wrong with a file or shape is named", async () => {
  const wrong: [string, RegExp][] = [
    ["{", /^a\.json: no JSON/],
    ["[]", /^a\.json: no file of LabelMe/],
    [JSON.stringify({ shapes: [] }), /how large its image is/],
    [labelMe([{ ...box("a", [0, 0], [1, 1]), shape_type: "line" }]), /shape 1 \(a\) is a line/],
    [labelMe([box("a", [0, 0], [2, 2]), box("b", [1, 1])]), /shape 2 \(b\) .* needs 2 points/],
    [labelMe([{ label: "a", points: [[0, 0], [1, 0]] }]), /polygon and needs 3 points/],
    [labelMe([{ label: "a", points: [[0, 0], ["1", 0], [1, 1]] }]), /needs 3 points/],
    [labelMe([{ label: "a", points: [[0, 0]], shape_type: "mask" }]), /mask without pixels/],
    [labelMe([{ label: "a", points: [[0, 0]], shape_type: "mask", mask: "?" }]), /no base64/],
    [labelMe([{ label: "a", points: [[0, 0]], shape_type: "mask", mask: "aaaa" }]), /no image/],
  ];
  for (const [text, message] of wrong) {
    await assert.rejects(readLabelMe(text, "a.json"), (error) => {
      assert(error instanceof UserError && error.exitCode === ExitCode.data, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("drawn masks: every pixel that isn't black or transparent", async () => {
  const mask = async (channels: number, ...data: number[]) => {
    const file = encodePng({ height: 1, width: 2, channels, data: Uint8Array.from(data) });
    const { shape, size } = await pictureShape(file, "a.png");
    return [...await rasterise(shape, size, size)];
  };
  assert.deepEqual(await mask(1, 0, 1), [0, 255]);
  assert.deepEqual(await mask(3, 0, 0, 7, 0, 0, 0), [255, 0]);
  assert.deepEqual(await mask(4, 9, 9, 9, 0, 0, 0, 0, 255), [0, 0]);
  assert.deepEqual(await mask(2, 9, 0, 9, 1), [0, 255]);
});

const { masks: _, ...train } = tinySet.train;
const names = (n: number, part: string) => Array.from({ length: n }, (_, i) => `${part}-${i}`);
const bare = {
  ...tinySet,
  train: { ...train, names: names(60, "train") },
  test: { ...tinySet.test, names: names(30, "sub/test") },
};
const painted = (side = SIZE) =>
  encodePng({ ...square(side), channels: 1, data: new Uint8Array(side * side).fill(1) });
const quarter = labelMe([box("a", [0, 0], [8, 8])], 16);

Deno.test("mask files: LabelMe's beside their pictures, for some images of any split", () =>
  inFolderWith({
    "train-7.json": quarter,
    "train-7.png": painted(),
    "train-8.png": painted(),
    "train-9.json": labelMe([]),
    "sub/test-3.json": quarter,
  }, async (folder) => {
    const set = await withMaskFiles(bare, folder);
    const { coverage, count, rows } = set.train.masks!;
    assert.equal(count, 1);
    assert.deepEqual([...rows].map((row, i) => row === NO_MASK ? -1 : i).filter((i) => i >= 0), [
      7,
    ]);
    assert.equal(area(coverage), 16, "scaled from 16 x 16 to 8 x 8");
    assert.equal(set.test.masks!.rows[3], 0);
    assert.equal(set.test.masks!.count, 1, "the exact masks are gone");
    assert.match(set.source, /; masks of 1 test, 1 train images in /);
  }));

Deno.test("mask files: PNG masks alone, found by the last part of a name too", () =>
  inFolderWith({ "train-0.png": painted(), "test-4.png": painted(24) }, async (folder) => {
    const set = await withMaskFiles(bare, folder);
    assert.equal(area(set.train.masks!.coverage), SIZE * SIZE);
    assert.equal(set.test.masks!.rows[4], 0);
  }));

Deno.test("mask files: a sifted folder's pictures are no masks", () =>
  inFolderWith({
    "manifest.json": "{}",
    "images/train-1.png": painted(),
    "images/train-2.json": quarter,
    "masks/train-3.png": painted(),
  }, async (folder) => {
    for (const given of [folder, join(folder, "images")]) {
      const { rows } = (await withMaskFiles(bare, given)).train.masks!;
      assert.deepEqual([rows[1], rows[2], rows[3]], [NO_MASK, 0, 1]);
    }
    await Deno.remove(join(folder, "images/train-2.json"));
    await Deno.remove(join(folder, "masks"), { recursive: true });
    await userError(withMaskFiles(bare, folder), ExitCode.data, /there are no masks in/);
  }));

const wrong: [string, Record<string, string | Uint8Array>, RegExp][] = [
  ["an empty folder", { "a.txt": "" }, /there are no masks in/],
  ["nobody's mask", { "train-99.json": quarter }, /no image of tiny is called train-99/],
  ["another form", {
    "train-1.png": encodePng({ height: 8, width: 16, channels: 1, data: new Uint8Array(128) }),
  }, /train-1.png: it was drawn on 16 x 8 pixels, and the image has 8 x 8/],
  ["nothing inside", { "train-1.json": labelMe([box("a", [20, 20], [30, 30])]) }, /cover nothing/],
];
for (const [what, files, message] of wrong) {
  Deno.test(`mask files: ${what} is named`, () =>
    inFolderWith(files, async (folder) => {
      await userError(withMaskFiles(bare, folder), ExitCode.data, message);
    }));
}

Deno.test("mask files: a folder that isn't there is named", async () => {
  await userError(withMaskFiles(bare, "/nowhere"), ExitCode.data, /cannot read .nowhere/);
});
