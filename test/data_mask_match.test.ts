/** A mask lies on the right pixels of the right image, or it is refused. */
import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { type DataSet, NO_MASK } from "../engine/data/dataset.ts";
import { fitted, framed } from "../engine/data/fit.ts";
import { withMaskFiles } from "../engine/data/mask_files.ts";
import { loadDataSet, type LoadOptions } from "../engine/data/registry.ts";
import { ExitCode } from "../engine/errors.ts";
import { encodePng } from "../engine/io/image.ts";
import { exif, withExif } from "./support/exif.ts";
import { inFolder, inFolderWith, userError } from "./support/io.ts";
import { batchBytes, freshRuntime } from "./support/train.ts";

const png = (n: number, height = 40, width = 40) =>
  encodePng({ height, width, channels: 3, data: new Uint8Array(3 * height * width).fill(n) });
const box = (label: string, ...points: number[][]) => ({ label, points, shape_type: "rectangle" });
const labelMe = (shapes: unknown[], imagePath?: string, width = 40, height = 40) =>
  JSON.stringify({ version: "5.4.1", shapes, imagePath, imageHeight: height, imageWidth: width });
const figure = [box("cat", [10, 10], [20, 20])];

const load = (dataDir: string, folder: LoadOptions["folder"] = {}, size = 40) =>
  loadDataSet({ name: "folder", dataDir, folder, size });
const names = ({ train }: DataSet) =>
  [...train.names!].filter((_, i) => train.masks && train.masks.rows[i] !== NO_MASK);
/** The only mask of a set. */
const coverage = ({ train, test }: DataSet) => (train.masks ?? test.masks)!.coverage;
const sum = (mask: Uint8Array) => mask.reduce((all, share) => all + share, 0) / 255;

/** Images, and masks in a folder beside them. */
const withMasks = (
  images: readonly string[],
  masks: Record<string, string | Uint8Array>,
  test: (masked: () => Promise<DataSet>, root: string) => Promise<void>,
) =>
  inFolderWith(
    Object.fromEntries([
      ...images.map((name, n) => [`data/train/${name}`, png(n)]),
      ...["cat/t.png", "dog/t.png"].map((name, n) => [`data/test/${name}`, png(200 + n)]),
      ...Object.entries(masks).map(([name, content]) => [`masks/${name}`, content]),
    ]),
    (root) =>
      test(async () => withMaskFiles(await load(join(root, "data")), join(root, "masks")), root),
  );

Deno.test("a mask on a picture that the camera turned lies on its object, as trained on", () =>
  inFolder(async (root) => {
    // Red in x 25 .. 35, y 40 .. 55 of the upright 40 x 60 picture; it is stored turned by 270.
    const [w, h] = [60, 40];
    const data = new Uint8Array(3 * w * h).fill(255);
    for (let y = 5; y < 15; y++) {
      for (let x = 40; x < 55; x++) data.set([255, 0, 0], 3 * (y * w + x));
    }
    const raw = { width: w, height: h, channels: 3 } as const;
    const encoded = await sharp(data, { raw }).jpeg({ quality: 100 }).toBuffer();
    const plain = Uint8Array.from(encoded);
    for (const name of ["train/cup/0", "train/dish/1", "test/cup/2", "test/dish/3"]) {
      await Deno.mkdir(join(root, "data", name, ".."), { recursive: true });
      await Deno.writeFile(join(root, "data", `${name}.jpg`), withExif(plain, exif(6, true)));
    }
    await Deno.mkdir(join(root, "masks"));
    const shapes = [box("cup", [25, 40], [35, 55])];
    const drawn = labelMe(shapes, "..\\data\\train\\cup\\0.jpg", 40, 60);
    await Deno.writeTextFile(join(root, "masks/0.json"), drawn);
    const runtime = await freshRuntime();
    for (const resizeMode of ["stretch", "crop", "pad"] as const) {
      const set = await withMaskFiles(
        await load(join(root, "data"), { resizeMode }),
        join(root, "masks"),
      );
      const image = await batchBytes(runtime, set, set.train, 2);
      const mask = coverage(set);
      let [both, either] = [0, 0];
      for (let p = 0; p < 1600; p++) {
        const isRed = image[3 * p] > 150 && image[3 * p + 1] < 128;
        const isFigure = mask[p] > 127;
        both += Number(isRed && isFigure);
        either += Number(isRed || isFigure);
      }
      assert(either > 40 && both / either > 0.85, `${resizeMode}: ${both} of ${either}`);
    }
    // Drawn on the picture as it is stored.
    await Deno.writeTextFile(join(root, "masks/0.json"), labelMe(shapes, "0.jpg", 60, 40));
    const stored = load(join(root, "data")).then((set) => withMaskFiles(set, join(root, "masks")));
    const error = await userError(stored, ExitCode.data, /60 x 40 pixels, .* 40 x 60, upright/);
    assert.match(error.hint!, /EXIF/);
  }));

Deno.test("resizing: the middle as torchvision crops it, or the whole with bars", () => {
  const fit = (mode: "crop" | "pad", h: number, w: number, side: number) =>
    fitted(mode, { height: h, width: w }, { height: side, width: side }, "a");
  assert.deepEqual(fit("crop", 60, 40, 20), { scaled: { height: 30, width: 20 }, top: 5, left: 0 });
  // int(224 * 500 / 375) is 298, and round((298 - 224) / 2) is 37.
  assert.deepEqual(fit("crop", 375, 500, 224), {
    scaled: { height: 224, width: 298 },
    top: 0,
    left: 37,
  });
  // round(0.5) is 0 and round(1.5) is 2.
  assert.deepEqual([fit("crop", 4, 5, 4).left, fit("crop", 4, 7, 4).left], [0, 2]);
  assert.deepEqual(fit("pad", 60, 40, 30), { scaled: { height: 30, width: 20 }, top: 0, left: -5 });
  const image = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const scaled = { height: 2, width: 3 };
  const two = { height: 2, width: 2 };
  assert.deepEqual([...framed(image, { scaled, top: 0, left: 1 }, two)], [2, 3, 5, 6]);
  const four = { height: 4, width: 4 };
  assert.deepEqual([...framed(image, { scaled, top: -1, left: -1 }, four)], [
    ...[0, 0, 0, 0, 0, 1, 2, 3],
    ...[0, 4, 5, 6, 0, 0, 0, 0],
  ]);
  assert.throws(() => fit("crop", 1, 60000, 224), /more than the/);
});

Deno.test("labelme's own names take away: background and what is to be ignored", async () => {
  for (
    const label of ["background", "_background_", "__background__", "__ignore__", "Background"]
  ) {
    const shapes = [box("cat", [0, 0], [30, 40]), box(label, [5, 12], [25, 28])];
    await withMasks(["cat/0.png", "dog/1.png"], { "0.json": labelMe(shapes) }, async (masked) => {
      const mask = coverage(await masked());
      assert.deepEqual([sum(mask), mask[20 * 40 + 15]], [880, 0], label);
    });
  }
});

Deno.test("a mask is its image's by the whole name, or by an end of it that one image has", () =>
  withMasks(["cat/0.png", "cat/1.png", "dog/0.png", "dog/2.png"], {
    "cat/0.json": labelMe(figure, "0.png"),
    "2.json": labelMe(figure, "../data/train/dog/2.png"),
    "train/cat/1.json": labelMe(figure),
  }, async (masked) => {
    assert.deepEqual(names(await masked()), ["train/cat/0", "train/cat/1", "train/dog/2"]);
  }));

Deno.test("the picture that a mask was drawn on decides between images of one name", () =>
  withMasks(["cat/0.png", "dog/0.png", "dog/1.png"], {
    "0.json": labelMe(figure, "..\\data\\train\\dog\\0.png"),
  }, async (masked) => {
    assert.deepEqual(names(await masked()), ["train/dog/0"]);
  }));

const wrong: [string, string[], Record<string, string | Uint8Array>, RegExp][] = [
  [
    "a name that two images end in",
    ["cat/0.png", "dog/0.png"],
    { "0.json": labelMe(figure, "0.png") },
    /0\.json: it may be the mask of train\/cat\/0 or train\/dog\/0/,
  ],
  [
    "a name that differs in its ending alone",
    ["cat/0.png", "cat/0.jpeg", "dog/1.png"],
    { "cat/0.json": labelMe(figure) },
    /cat.0\.json: it may be the mask of train\/cat\/0\./,
  ],
  [
    "a mask of another picture",
    ["cat/0.png", "cat/1.png", "dog/0.png"],
    { "cat/0.json": labelMe(figure, "../data/train/cat/1.png") },
    /by its name it is the mask of train\/cat\/0, but it was drawn on .*1\.png/,
  ],
  [
    "another class's picture",
    ["cat/0.png", "dog/0.png"],
    { "cat/0.json": labelMe(figure, "..\\data\\train\\dog\\0.png") },
    /it is the mask of train\/cat\/0, but it was drawn on/,
  ],
  [
    "two masks of an image",
    ["cat/0.png", "dog/1.png"],
    { "0.json": labelMe(figure), "cat/0.json": labelMe(figure) },
    /0\.json and .*0\.json are both masks of train\/cat\/0/,
  ],
  [
    "another size",
    ["cat/0.png", "dog/1.png"],
    { "0.json": labelMe(figure, "0.png", 41, 40) },
    /it was drawn on 41 x 40 pixels, and the image has 40 x 40/,
  ],
  [
    "a PNG mask of another form",
    ["cat/0.png", "dog/1.png"],
    { "0.png": png(1, 40, 80) },
    /it was drawn on 80 x 40 pixels/,
  ],
];
for (const [what, images, masks, message] of wrong) {
  Deno.test(`masks: ${what} is refused`, () =>
    withMasks(images, masks, async (masked) => {
      await userError(masked(), ExitCode.data, message);
    }));
}

Deno.test("masks: a magnified drawing fits, and links are followed", () =>
  withMasks(
    ["cat/0.png", "dog/1.png"],
    { "0.json": labelMe([box("cat", [100, 100], [200, 200])], "0.png", 400, 400) },
    async (masked, root) => {
      assert.equal(sum(coverage(await masked())), 100);
      await Deno.rename(join(root, "masks"), join(root, "elsewhere"));
      await Deno.mkdir(join(root, "masks"));
      await Deno.symlink(join(root, "elsewhere"), join(root, "masks/linked"));
      await Deno.mkdir(join(root, "elsewhere/cat"));
      await Deno.rename(join(root, "elsewhere/0.json"), join(root, "elsewhere/cat/0.json"));
      const set = await load(join(root, "data"));
      assert.equal((await withMaskFiles(set, join(root, "masks/linked"))).train.masks!.count, 1);
    },
  ));

Deno.test("masks: labels that are no class, or another class, are told with the nearest", () =>
  withMasks(["cat/0.png", "dog/1.png"], {
    "0.json": labelMe([box("cta", [0, 0], [9, 9]), box("figure", [9, 9], [12, 12])]),
    "1.json": labelMe([box("cat", [0, 0], [9, 9]), box("__proto__", [0, 0], [2, 2])]),
  }, async (masked) => {
    const { notes, train } = await masked();
    assert.equal(train.masks!.count, 2);
    assert.deepEqual(notes!.warnings.map((text) => text.replace(/ \S+1\.json/, " 1.json")), [
      "1 shape is labelled cta, which is no class; did you mean cat? (they count as figure)",
      "1 shape is labelled __proto__, which is no class (they count as figure)",
      "1 shape is labelled with another class than their image's: 1.json (cat)",
    ]);
  }));
