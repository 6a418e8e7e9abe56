/** Image files: made here, decoded, and refused where they are wrong. */
import assert from "node:assert/strict";
import { crc32, deflateSync } from "node:zlib";
import { join } from "node:path";
import sharp from "sharp";
import { ExitCode, UserError } from "../engine/errors.ts";
import {
  decodeImage,
  decodePixels,
  encodePng,
  imageSize,
  shownPixels,
} from "../engine/io/image.ts";
import { within } from "./support/bounds.ts";
import { concat, inFolder } from "./support/io.ts";
import { MOST_SCANS, scannedJpeg } from "./support/scanned_jpeg.ts";

const word = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];

function chunk(type: string, data: Uint8Array | number[]): Uint8Array {
  const named = concat([...type].map((letter) => letter.charCodeAt(0)), data);
  return concat(word(named.length - 4), named, word(crc32(named)));
}

/** A PNG file of unfiltered rows. */
function png(
  [width, height, depth, colourType]: number[],
  rows: number[][],
  ...more: Uint8Array[]
): Uint8Array<ArrayBuffer> {
  const header = [...word(width), ...word(height), depth, colourType, 0, 0, 0];
  const data = deflateSync(Uint8Array.from(rows.flatMap((row) => [0, ...row])));
  return concat(
    [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10],
    chunk("IHDR", header),
    ...more,
    chunk("IDAT", Uint8Array.from(data)),
    chunk("IEND", []),
  );
}

/** Columns that are red, green, blue and white, in rows that grow darker. */
function picture(width: number, height: number) {
  const colours = [[240, 20, 30], [20, 200, 40], [30, 40, 220], [250, 250, 250]];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [pixel, channel] = [Math.floor(i / 3), i % 3];
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    return colours[Math.floor(4 * x / width)][channel] >> Math.floor(2 * y / height);
  });
  return sharp(data, { raw: { width, height, channels: 3 } });
}

const bytes = (buffer: Uint8Array) => Uint8Array.from(buffer);
const pixels = async (file: Uint8Array) => [...(await decodeImage(file, "a.png")).data];

Deno.test("png: grey, palettes, 16 bits and transparency become red, green and blue", async () => {
  assert.deepEqual(await pixels(png([2, 1, 8, 0], [[7, 9]])), [7, 7, 7, 9, 9, 9]);
  // Five samples of one bit: the row's last three bits are filling.
  const bits = await pixels(png([5, 2, 1, 0], [[0b10110_111], [0b00001_000]]));
  assert.deepEqual(bits.filter((_, i) => i % 3 === 0), [255, 0, 255, 255, 0, 0, 0, 0, 0, 255]);
  assert.deepEqual(
    await pixels(png([3, 1, 2, 3], [[0b00_10_01_00]], chunk("PLTE", [1, 2, 3, 4, 5, 6, 7, 8, 9]))),
    [1, 2, 3, 7, 8, 9, 4, 5, 6],
  );
  assert.deepEqual(await pixels(png([1, 1, 16, 2], [[1, 200, 2, 0, 255, 3]])), [1, 2, 255]);
  assert.deepEqual(await pixels(png([1, 1, 16, 0], [[77, 200]])), [77, 77, 77]);
  assert.deepEqual(await pixels(png([1, 1, 8, 6], [[10, 20, 30, 0]])), [10, 20, 30]);
  assert.deepEqual(await pixels(png([1, 1, 8, 4], [[10, 99]])), [10, 10, 10]);
});

Deno.test("png: what is encoded is decoded to the same bytes", async () => {
  for (const channels of [3, 4]) {
    const data = Uint8Array.from({ length: 6 * channels }, (_, i) => (i * 41) % 256);
    const image = { height: 2, width: 3, channels, data };
    assert.deepEqual(await decodePixels(encodePng(image), "a.png"), image);
  }
});

Deno.test("png: two channels of a data set are shown as red and green", async () => {
  const image = { height: 1, width: 3, channels: 2, data: Uint8Array.of(9, 0, 0, 7, 255, 1) };
  const shown = await decodePixels(encodePng(shownPixels(image)), "a.png");
  assert.deepEqual([...shown.data], [9, 0, 0, 0, 7, 0, 255, 1, 0]);
  const grey = { height: 1, width: 2, channels: 1, data: Uint8Array.of(3, 4) };
  assert.equal(shownPixels(grey), grey);
});

Deno.test("images of every kind that is read, close to what was encoded", async () => {
  const plain = await picture(16, 8).raw().toBuffer();
  const files = {
    png: await picture(16, 8).png().toBuffer(),
    jpeg: await picture(16, 8).jpeg({ quality: 98, chromaSubsampling: "4:4:4" }).toBuffer(),
    progressive: await picture(16, 8).jpeg({
      quality: 98,
      chromaSubsampling: "4:4:4",
      progressive: true,
    }).toBuffer(),
    webp: await picture(16, 8).webp({ lossless: true }).toBuffer(),
    gif: await picture(16, 8).gif().toBuffer(),
    tiff: await picture(16, 8).tiff({ compression: "lzw" }).toBuffer(),
  };
  for (const [kind, file] of Object.entries(files)) {
    const { width, height, data } = await decodeImage(bytes(file), "a");
    assert.deepEqual([width, height, data.length], [16, 8, 384], kind);
    const error = plain.reduce((sum, value, i) => sum + Math.abs(value - data[i]), 0) / 384;
    assert(error < 6, `${kind}: ${error} away on average`);
  }
});

/** Where a segment of a JPEG file begins: its marker's first byte. */
function segment(file: Uint8Array, marker: number): number {
  for (let at = 2;; at += 2 + (file[at + 2] << 8 | file[at + 3])) {
    if (file[at + 1] === marker) return at;
    assert(at < file.length);
  }
}

Deno.test("images are upright, whichever way the camera was held", async () => {
  await inFolder(async (folder) => {
    const stored = await picture(24, 8).jpeg({ quality: 100 }).toBuffer();
    for (let orientation = 1; orientation <= 8; orientation++) {
      const file = bytes(await sharp(stored).withMetadata({ orientation }).toBuffer());
      const size = orientation > 4 ? { width: 8, height: 24 } : { width: 24, height: 8 };
      const path = join(folder, `${orientation}.jpg`);
      await Deno.writeFile(path, file);
      assert.deepEqual(await imageSize(path), size);
      const { data, ...found } = await decodeImage(file, path);
      assert.deepEqual(found, size);
      // The corner that was stored first, red and bright, and where it is to be seen.
      const [right, bottom] = [[2, 3, 6, 7], [3, 4, 7, 8]].map((of) => of.includes(orientation));
      const [x, y] = [right ? size.width - 1 : 0, bottom ? size.height - 1 : 0];
      const [red, green, blue] = data.subarray(3 * (y * size.width + x));
      assert(red > 180 && green < 80 && blue < 80, `orientation ${orientation}`);
    }
  });
});

Deno.test("jpeg: components that are red, green and blue, by their names or by Adobe's word", async () => {
  const [r, g, b] = [90, 160, 30];
  const flat = sharp({ create: { width: 8, height: 8, channels: 3, background: { r, g, b } } });
  const file = bytes(await flat.jpeg({ quality: 100, chromaSubsampling: "4:4:4" }).toBuffer());
  // The components as they are stored: luma and the two differences.
  const y = 0.299 * r + 0.587 * g + 0.114 * b;
  const stored = [y, 128 + 0.564 * (b - y), 128 + 0.713 * (r - y)];
  const isStored = async (of: Uint8Array) =>
    (await pixels(of)).slice(0, 3).every((value, c) => Math.abs(value - stored[c]) < 3);
  assert(!await isStored(file));
  const [frame, scan] = [0xc0, 0xda].map((marker) => segment(file, marker));
  const named = Uint8Array.from(file);
  [..."RGB"].forEach((letter, c) => {
    named[frame + 10 + 3 * c] = named[scan + 5 + 2 * c] = letter.charCodeAt(0);
  });
  assert(await isStored(named));
  const adobe = (transform: number) =>
    concat(
      [0xff, 0xd8, 0xff, 0xee, 0, 14],
      new TextEncoder().encode("Adobe"),
      [0, 100, 0, 0, 0, 0, transform],
      file.subarray(2),
    );
  assert(await isStored(adobe(0)));
  assert(!await isStored(adobe(1)));
});

const refusal = (message: RegExp) => (error: unknown) => {
  assert(error instanceof UserError && error.exitCode === ExitCode.data, String(error));
  assert.match(error.message, message);
  assert(error.hint);
  return true;
};

Deno.test("jpeg: a file that goes over its image too often is refused by its header, at once", () =>
  inFolder(async (folder) => {
    const scanned = async (side: number, scans: number) => {
      const path = join(folder, `${side}-${scans}.jpg`);
      const file = scannedJpeg(side, scans);
      await Deno.writeFile(path, file);
      const wrong = /a JPEG of \d+ x \d+ pixels with more than the \d+ scans allowed/;
      await within(2000, path, async () => {
        await assert.rejects(imageSize(path), refusal(wrong));
        await assert.rejects(decodeImage(file, path), refusal(wrong));
      });
    };
    await scanned(500, MOST_SCANS);
    await scanned(2000, 251);
    const { data } = await decodeImage(scannedJpeg(100, 400), "a.jpg");
    assert(data.every((value) => value === 128), "a grey square in 400 scans");
  }));

Deno.test("images that take more memory to decode than is allowed are refused by their header", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.png");
    const write = (depth: number, interlaced: number) => {
      const header = [...word(10000), ...word(5000), depth, 6, 0, 0, interlaced];
      const end = [chunk("IDAT", []), chunk("IEND", [])];
      const file = concat([137, 80, 78, 71, 13, 10, 26, 10], chunk("IHDR", header), ...end);
      return Deno.writeFile(path, file);
    };
    await write(16, 0);
    assert.deepEqual(await imageSize(path), { width: 10000, height: 5000 });
    await write(16, 1);
    await assert.rejects(imageSize(path), refusal(/takes 550000000 bytes to decode, more than/));
  }));

Deno.test("images: what is wrong with a file is named", async () => {
  const good = png([2, 2, 8, 0], [[1, 2], [3, 4]]);
  const jpeg = bytes(await picture(64, 64).jpeg().toBuffer());
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>';
  const wrong: [Uint8Array, RegExp][] = [
    [new Uint8Array(), /^a: an empty file/],
    [new TextEncoder().encode("<html>"), /^a: no image of a kind that is read/],
    [new TextEncoder().encode(svg), /^a: no image of a kind that is read/],
    [good.subarray(0, 30), /^a: /],
    [good.subarray(0, 50), /^a: corrupt: /],
    [good.with(45, good[45] ^ 255), /^a: corrupt: /],
    [jpeg.subarray(0, 20), /^a: /],
    [jpeg.subarray(0, jpeg.length >> 1), /^a: corrupt: /],
    [png([2, 1, 3, 0], [[1]]), /^a: /],
    [png([2, 1, 8, 3], [[0, 1]]), /^a: /],
    [png([2, 3, 8, 0], [[1, 2]]), /^a: corrupt: /],
    [png([60000, 60000, 8, 0], [[1]]), /60000 x 60000 pixels, more than the 50 million/],
    [png([0, 2, 8, 0], [[]]), /^a: /],
    [png([2, 1, 8, 5], [[1, 2]]), /^a: /],
  ];
  for (const [file, message] of wrong) {
    await assert.rejects(decodeImage(file, "a"), refusal(message), String(message));
  }
  await inFolder(async (folder) => {
    const path = join(folder, "b.png");
    await assert.rejects(imageSize(path), /b\.png/);
    await Deno.writeTextFile(path, "none");
    await assert.rejects(imageSize(path), refusal(/b\.png: no image/));
  });
});
