/** PNG and JPEG files: made here byte by byte, decoded, and refused where they are wrong. */
import assert from "node:assert/strict";
import { crc32, deflateSync } from "node:zlib";
import jpeg from "jpeg-js";
import { ExitCode, UserError } from "../engine/errors.ts";
import { decodeImage, imageSize } from "../engine/io/image.ts";
import { decodePng, encodePng } from "../engine/io/png.ts";
import { concat } from "./support/io.ts";

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

const pixels = (bytes: Uint8Array) => [...decodeImage(bytes, "a.png").data];

Deno.test("png: grey, palettes, 16 bits and transparency become red, green and blue", () => {
  assert.deepEqual(pixels(png([2, 1, 8, 0], [[7, 9]])), [7, 7, 7, 9, 9, 9]);
  // Five samples of one bit: the row's last three bits are filling.
  assert.deepEqual(
    pixels(png([5, 2, 1, 0], [[0b10110_111], [0b00001_000]])).filter((_, i) => i % 3 === 0),
    [255, 0, 255, 255, 0, 0, 0, 0, 0, 255],
  );
  assert.deepEqual(
    pixels(png([3, 1, 2, 3], [[0b00_10_01_00]], chunk("PLTE", [1, 2, 3, 4, 5, 6, 7, 8, 9]))),
    [1, 2, 3, 7, 8, 9, 4, 5, 6],
  );
  assert.deepEqual(pixels(png([1, 1, 16, 2], [[1, 200, 2, 0, 255, 3]])), [1, 2, 255]);
  assert.deepEqual(pixels(png([1, 1, 8, 6], [[10, 20, 30, 0]])), [10, 20, 30]);
  assert.deepEqual(pixels(png([1, 1, 8, 4], [[10, 99]])), [10, 10, 10]);
});

Deno.test("png: what is encoded is decoded to the same bytes", () => {
  for (const channels of [1, 3]) {
    const data = Uint8Array.from({ length: 6 * channels }, (_, i) => (i * 41) % 256);
    const image = { height: 2, width: 3, channels, data };
    assert.deepEqual(decodePng(encodePng(image), "a.png"), image);
  }
});

Deno.test("jpeg: colours and grey, close to what was encoded", () => {
  const [width, height] = [16, 8];
  const data = new Uint8Array(width * height * 4);
  for (let p = 0; p < width * height; p++) data.set([200, 8 * (p % 16), 40, 255], 4 * p);
  const file = Uint8Array.from(jpeg.encode({ data, width, height }, 95).data);
  assert.deepEqual(imageSize(file, "a.jpg"), { width, height });
  const decoded = decodeImage(file, "a.jpg");
  assert.deepEqual([decoded.width, decoded.height, decoded.data.length], [16, 8, 384]);
  for (let p = 0; p < width * height; p++) {
    for (let c = 0; c < 3; c++) {
      assert(Math.abs(decoded.data[3 * p + c] - data[4 * p + c]) < 12, `pixel ${p}, channel ${c}`);
    }
  }
  const cut = (length: number, message: RegExp) =>
    assert.throws(() => decodeImage(file.subarray(0, length), "a.jpg"), refusal(message));
  cut(20, /^a\.jpg: truncated: the file ends before its image begins/);
  cut(file.length - 2, /^a\.jpg: truncated: its \d+ bytes end in the middle/);
});

const refusal = (message: RegExp) => (error: unknown) => {
  assert(error instanceof UserError && error.exitCode === ExitCode.data, String(error));
  assert.match(error.message, message);
  assert(error.hint);
  return true;
};

Deno.test("images: what is wrong with a file is named", () => {
  const good = png([2, 2, 8, 0], [[1, 2], [3, 4]]);
  const wrong: [Uint8Array, RegExp][] = [
    [new Uint8Array(), /^a: an empty file/],
    [new TextEncoder().encode("<html>"), /^a: neither a PNG nor a JPEG/],
    [good.subarray(0, 30), /truncated: its 30 bytes end in the middle of a chunk/],
    [good.subarray(0, good.length - 5), /truncated/],
    [good.with(45, good[45] ^ 255), /./],
    [png([2, 3, 8, 0], [[1, 2]]), /truncated: 3 of the 9 bytes of its image/],
    [png([2, 1, 8, 0], Array(5000).fill([0, 0])), /holds more than the 3 bytes of its image/],
    [png([60000, 60000, 8, 0], [[1]]), /60000 x 60000 pixels, more than the 50 million/],
    [png([0, 2, 8, 0], [[]]), /empty image of 0 x 2/],
    [png([2, 1, 8, 5], [[1, 2]]), /no colour type 5/],
  ];
  for (const [bytes, message] of wrong) {
    assert.throws(() => decodeImage(bytes, "a"), refusal(message));
  }
  assert.equal(imageSize(good.subarray(0, 20), "a"), undefined);
  assert.throws(() => imageSize(good.subarray(0, 20), "a", true), refusal(/truncated/));
});
