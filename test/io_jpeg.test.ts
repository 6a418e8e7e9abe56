/** The decoder of usual JPEG files beside libvips, and what it leaves to libvips. */
import assert from "node:assert/strict";
import sharp from "sharp";
import { decodeImage, decodePixels } from "../engine/io/image.ts";
import { decodePlainJpeg } from "../engine/io/jpeg.ts";
import { LIMITS } from "../engine/io/limits.ts";
import { below, draws } from "../engine/random.ts";
import { concat } from "./support/io.ts";

type Picture = (width: number, height: number) => sharp.Sharp;

/** Soft colours with noise on them. */
const photograph: Picture = (width, height) => {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    return 128 + 90 * Math.sin(x / 9 + c) * Math.cos(y / 7 - c) + (i * 40503 >> 4) % 30;
  });
  return sharp(data, { raw: { width, height, channels: 3 } });
};

/** The hardest there is: a colour of its own in every pixel, of what is darkest and brightest. */
const noise: Picture = (width, height) => {
  const word = draws(1, 0);
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => 255 * below(word(i), 2));
  return sharp(data, { raw: { width, height, channels: 3 } });
};

const jpeg = async (image: sharp.Sharp, options: sharp.JpegOptions = {}) =>
  Uint8Array.from(await image.jpeg({ quality: 85, ...options }).toBuffer());

/** Where the two bytes of a marker are. */
const find = (file: Uint8Array, marker: number) =>
  file.findIndex((byte, i) => byte === 0xff && file[i + 1] === marker);

const SOF0 = 0xc0;

/** How far apart the two decoders are: at most, on average, and the share that is beyond 5. */
async function apart(file: Uint8Array) {
  const plain = await decodePlainJpeg(file);
  assert(plain);
  const { data, height, width } = await decodePixels(file, "a");
  assert.deepEqual([plain.height, plain.width, plain.data.length], [height, width, data.length]);
  let [most, sum, beyond] = [0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const apart = Math.abs(plain.data[i] - data[i]);
    [most, sum] = [Math.max(most, apart), sum + apart];
    if (apart > 5) beyond++;
  }
  return { most, mean: sum / data.length, beyond: beyond / data.length };
}

Deno.test("usual files have libvips's pixels, but for how chroma is enlarged", async () => {
  for (const [width, height] of [[224, 224], [17, 13], [1, 1], [8, 300], [600, 500]]) {
    const image = photograph(width, height);
    for (const [chromaSubsampling, least] of [["4:2:0", 8], ["4:4:4", 3]] as const) {
      const { most, mean } = await apart(await jpeg(image, { chromaSubsampling }));
      const what = `${width} x ${height}, ${chromaSubsampling}: ${most}, ${mean} on average`;
      assert(most <= least && mean < 0.5, what);
    }
  }
  const full = await apart(await jpeg(noise(90, 70), { chromaSubsampling: "4:4:4" }));
  assert(full.most <= 3, `${full.most}`);
  const half = await apart(await jpeg(noise(90, 70), { chromaSubsampling: "4:2:0" }));
  assert(half.mean < 0.5 && half.beyond < 0.01, `${half.mean}, ${half.beyond}`);
});

Deno.test("the same bytes give the same pixels, wherever they lie", async () => {
  const file = await jpeg(photograph(40, 30));
  const within = concat([1, 2, 3], file, [4]).subarray(3, 3 + file.length);
  assert.deepEqual(await decodeImage(within, "a"), await decodeImage(file, "a"));
});

Deno.test("what is not usual, or wrong, is left to libvips", async () => {
  const image = photograph(32, 24);
  const file = await jpeg(image);
  const sof = find(file, SOF0);
  const changed = (at: number, ...values: number[]) => {
    const copy = file.slice();
    copy.set(values, at);
    return copy;
  };
  const sized = (height: number, width: number) =>
    changed(sof + 5, height >> 8, height & 255, width >> 8, width & 255);
  const segment = file.slice(sof, sof + 19);
  const adobe = (
    transform: number,
  ) => [0xff, 0xee, 0, 14, ...new TextEncoder().encode("Adobe"), 0, 100, 0, 0, 0, 0, transform];
  const withAdobe = (transform: number) =>
    concat(file.subarray(0, 2), adobe(transform), file.subarray(2));
  const files: Record<string, Uint8Array> = {
    progressive: await jpeg(image, { progressive: true }),
    grey: await jpeg(image.clone().greyscale()),
    inks: await jpeg(image.clone().toColourspace("cmyk")),
    turned: Uint8Array.from(
      await image.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer(),
    ),
    png: Uint8Array.from(await image.clone().png().toBuffer()),
    cut: file.subarray(0, file.length - 40),
    "cut in its tables": file.subarray(0, sof + 6),
    "with two frames": concat(file.subarray(0, sof), segment, file.subarray(sof)),
    "too large": sized(60_000, Math.ceil((LIMITS.pixels + 1) / 60_000)),
    "without a height": sized(0, 32),
    "red, green and blue": withAdobe(0),
    "by components' names red, green and blue": changed(sof + 10, 82),
    empty: new Uint8Array(),
    "of markers alone": Uint8Array.of(0xff, 0xd8, 0xff, 0xd9),
  };
  for (const [what, bytes] of Object.entries(files)) {
    assert.equal(await decodePlainJpeg(bytes), undefined, what);
  }
  assert(await decodePlainJpeg(withAdobe(1)), "what Photoshop writes");
});
