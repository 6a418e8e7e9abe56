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

/** A PNG file whose rows, at 0 .. 4 in turn, are filtered, or that is interlaced. */
function intricate(
  [width, height, depth, colourType]: number[],
  rows: number[][],
  interlaced = false,
): Uint8Array<ArrayBuffer> {
  const samples = rows[0].length / width;
  const step = Math.max(1, samples * depth / 8);
  const bits = (row: number[]) => {
    const text = row.map((value) => value.toString(2).padStart(depth, "0")).join("");
    const bytes = text.match(/.{1,8}/g) ?? [];
    return bytes.map((byte) => parseInt(byte.padEnd(8, "0"), 2));
  };
  const filtered = (lines: number[][]) =>
    lines.flatMap((row, y) => {
      const filter = y % 5;
      const above = lines[y - 1] ?? row.map(() => 0);
      return [
        filter,
        ...row.map((value, i) => {
          const [a, b, c] = [row[i - step] ?? 0, above[i], (i >= step && above[i - step]) || 0];
          const nearest = [a, b, c].reduce((best, of) =>
            Math.abs(a + b - c - of) < Math.abs(a + b - c - best) ? of : best
          );
          return (value - [0, a, b, Math.floor((a + b) / 2), nearest][filter]) & 255;
        }),
      ];
    });
  const pick = (x: number, y: number, dx: number, dy: number) =>
    rows.filter((_, r) => r >= y && (r - y) % dy === 0)
      .map((row) =>
        row.filter((_, i) => {
          const column = Math.floor(i / samples);
          return column >= x && (column - x) % dx === 0;
        })
      )
      .filter((row) => row.length > 0).map(bits);
  const grids = interlaced
    ? [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [
      0,
      1,
      1,
      2,
    ]]
    : [[0, 0, 1, 1]];
  const data = grids.flatMap(([x, y, dx, dy]) => filtered(pick(x, y, dx, dy)));
  return concat(
    [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10],
    chunk("IHDR", [...word(width), ...word(height), depth, colourType, 0, 0, +interlaced]),
    chunk("IDAT", Uint8Array.from(deflateSync(Uint8Array.from(data)))),
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

Deno.test("png: every filter, depth and colour type, interlaced or not", () => {
  const depths: [colourType: number, samples: number, depths: number[]][] = [
    [0, 1, [1, 2, 4, 8, 16]],
    [2, 3, [8, 16]],
    [4, 2, [8, 16]],
    [6, 4, [8, 16]],
  ];
  for (const [colourType, samples, all] of depths) {
    for (const depth of all) {
      for (const [width, height] of [[13, 11], [3, 9], [1, 1]]) {
        const value = (i: number) => (i * 2654435761 >>> 7) % 2 ** depth;
        const rows = Array.from(
          { length: height },
          (_, y) => Array.from({ length: width * samples }, (_, i) => value(y * 50 + i + 1)),
        );
        const most = 2 ** depth - 1;
        const shown = (v: number) => depth === 16 ? v >> 8 : Math.round(v * 255 / most);
        for (const interlaced of [false, true]) {
          const file = intricate([width, height, depth, colourType], rows, interlaced);
          const { data, ...size } = decodePng(file, "a.png");
          assert.deepEqual(size, { width, height, channels: samples });
          assert.deepEqual(
            [...data],
            rows.flat().map(shown),
            `${colourType} ${depth} ${interlaced}`,
          );
        }
      }
    }
  }
});

Deno.test("png: what is encoded is decoded to the same bytes", () => {
  for (const channels of [1, 2, 3, 4]) {
    const data = Uint8Array.from({ length: 6 * channels }, (_, i) => (i * 41) % 256);
    const image = { height: 2, width: 3, channels, data };
    assert.deepEqual(decodePng(encodePng(image), "a.png"), image);
  }
});

const refusal = (message: RegExp) => (error: unknown) => {
  assert(error instanceof UserError && error.exitCode === ExitCode.data, String(error));
  assert.match(error.message, message);
  assert(error.hint);
  return true;
};

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

/** 21 x 19 pixels as mozjpeg 4 writes and reads them: what, the pixels' CRC-32, and the file. */
// deno-fmt-ignore
const ENCODED: [what: string, crc: number, file: string][] = [
  ["progressive, colours at half the size", 3022396928,
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wEEEAAQABAAEAAQABEAEAASABQAFAASABkAGwAYABsAGQAlACIAHwAfACIA" +
    "JQA4ACgAKwAoACsAKAA4AFUANQA+ADUANQA+ADUAVQBLAFsASgBFAEoAWwBLAIcAagBeAF4AagCHAJwAgwB8AIMA" +
    "nAC9AKkAqQC9AO4A4gDuATcBNwGiEQAQABAAEAAQABEAEAASABQAFAASABkAGwAYABsAGQAlACIAHwAfACIAJQA4" +
    "ACgAKwAoACsAKAA4AFUANQA+ADUANQA+ADUAVQBLAFsASgBFAEoAWwBLAIcAagBeAF4AagCHAJwAgwB8AIMAnAC9" +
    "AKkAqQC9AO4A4gDuATcBNwGi/8IAEQgAEwAVAwEiAAIRAQMRAf/EAC4AAQEBAQEAAAAAAAAAAAAAAAAEBQIGAQAD" +
    "AQEAAAAAAAAAAAAAAAACBAYFB//aAAwDAQACEAMQAAAA8zdoXmOc3SlHxcK8/sGfS//EAB4QAAEEAwEBAQAAAAAA" +
    "AAAAAAIAAQQRAyFBchIx/9oACAEBAAE/AMcbjfnXWONflBGIm1bMsca/Kxxuu2kMW2t9IBGxauLGI/dUhEXvXV//" +
    "xAAhEQEAAQIFBQAAAAAAAAAAAAABEQADAgQyYaESMXOB0v/aAAgBAgEBPwC5mtzt6j5pzMuld3H08Ve1PnDioGVJ" +
    "Za//xAAdEQABBAIDAAAAAAAAAAAAAAABAAIEIRIiMUFx/9oACAEDAQE/AIMzi0ybqNlBJrxNJxF9L//Z"],
  ["progressive", 3075724414,
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wEEEAAQABAAEAAQABEAEAASABQAFAASABkAGwAYABsAGQAlACIAHwAfACIA" +
    "JQA4ACgAKwAoACsAKAA4AFUANQA+ADUANQA+ADUAVQBLAFsASgBFAEoAWwBLAIcAagBeAF4AagCHAJwAgwB8AIMA" +
    "nAC9AKkAqQC9AO4A4gDuATcBNwGiEQAQABAAEAAQABEAEAASABQAFAASABkAGwAYABsAGQAlACIAHwAfACIAJQA4" +
    "ACgAKwAoACsAKAA4AFUANQA+ADUANQA+ADUAVQBLAFsASgBFAEoAWwBLAIcAagBeAF4AagCHAJwAgwB8AIMAnAC9" +
    "AKkAqQC9AO4A4gDuATcBNwGi/8IAEQgAEwAVAwERAAIRAQMRAf/EAC0AAQEBAAAAAAAAAAAAAAAAAAQCBgEAAwAD" +
    "AAAAAAAAAAAAAAAAAwQFAgYH/9oADAMBAAIQAxAAAADMv4OBYcGrQ+ePBYYtWgmgOBYYlW//xAAeEAABBAMBAQEA" +
    "AAAAAAAAAAACAAEEEQMhQXISMf/aAAgBAQABPwDHG43511jjX5QRiJtWzLHGvyscbrtpDFtrfSARsWrixiP3VIRF" +
    "711f/8QAJhEBAAIBAwIFBQAAAAAAAAAAAQIDABESISJCBCMyUWEzQXHR4f/aAAgBAgEBPwBsJDVUhWHXP3/mStjZ" +
    "FB20R5V7s33381s64HpB0fy5K2NkUHbRHlXuydxM3z6aYvTH7r+8ml2k7pwgdkVADPEfWpr7CBLT5Vyzq8YwfTAC" +
    "J7ag5PzLrt/Ok2J8A5//xAAeEQADAAEEAwAAAAAAAAAAAAAAAQMxAgQRURIhkf/aAAgBAwEBPwCFsNkLY7J3SRC2" +
    "OyFvpO/C9G3b4IN+KJtrQj//2Q=="],
  ["baseline, colours at half the size", 2322460904,
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wCEABAQEBAREBIUFBIZGxgbGSUiHx8iJTgoKygrKDhVNT41NT41VUtbSkVK" +
    "W0uHal5eaoecg3yDnL2pqb3u4u7///8BEBAQEBEQEhQUEhkbGBsZJSIfHyIlOCgrKCsoOFU1PjU1PjVVS1tKRUpb" +
    "S4dqXl5qh5yDfIOcvampve7i7v/////AABEIABMAFQMBIgACEQEDEQH/xABpAAEBAQEBAAAAAAAAAAAAAAAABAUC" +
    "BhAAAgIDAQAAAAAAAAAAAAAAAREAAgMEQSEBAAMBAQAAAAAAAAAAAAAAAAIEBgUHEQABAgMIAwAAAAAAAAAAAAAB" +
    "AAQCESEDEiIxMkFhgXOhsf/aAAwDAQACEQMRAD8A8zj1uAedMux6z4qzQx6z4qy/HrNEhCHaOuRl1IfIULF5lVZ1" +
    "NYkeMCJu11WGUIihczOknkx3fSo4HuEYlxStXULxS7HWpulERW21HzgdSXP2JNK7KytalsdiImfIEkkTMyqWEm6K" +
    "7L//2Q=="],
];

Deno.test("jpeg: the pixels are those of libjpeg, to the bit", () => {
  for (const [what, crc, file] of ENCODED) {
    const { width, height, data } = decodeImage(Uint8Array.fromBase64(file), "a.jpg");
    assert.deepEqual([width, height, crc32(data)], [21, 19, crc], what);
  }
});

/** Where a segment begins: its marker's first byte. */
function segment(file: Uint8Array, marker: number): number {
  for (let at = 2;; at += 2 + (file[at + 2] << 8 | file[at + 3])) {
    if (file[at + 1] === marker) return at;
    assert(at < file.length);
  }
}

Deno.test("jpeg: components that are red, green and blue, by their names or by Adobe's word", () => {
  const data = new Uint8Array(4 * 64).map((_, i) => [90, 160, 30, 255][i % 4]);
  const file = Uint8Array.from(jpeg.encode({ data, width: 8, height: 8 }, 100).data);
  const plain = [...decodeImage(file, "a.jpg").data.subarray(0, 3)];
  plain.forEach((value, c) => assert(Math.abs(value - [90, 160, 30][c]) < 3));
  // The components as they are stored: luma and the two differences.
  const [r, g, b] = [90, 160, 30];
  const y = 0.299 * r + 0.587 * g + 0.114 * b;
  const stored = [y, 128 + 0.564 * (b - y), 128 + 0.713 * (r - y)];
  const isStored = (of: Uint8Array) =>
    decodeImage(of, "a.jpg").data.subarray(0, 3).every((v, c) => Math.abs(v - stored[c]) < 3);
  const [jfif, frame, scan] = [0xe0, 0xc0, 0xda].map((marker) => segment(file, marker));
  const named = Uint8Array.from(file);
  [..."RGB"].forEach((letter, c) => {
    named[frame + 10 + 3 * c] = named[scan + 5 + 2 * c] = letter.charCodeAt(0);
  });
  assert(!isStored(named), "a JFIF file is YCbCr, whatever its components are called");
  const without = (of: Uint8Array) =>
    concat(of.subarray(0, jfif), of.subarray(jfif + 2 + (of[jfif + 2] << 8 | of[jfif + 3])));
  assert(isStored(without(named)));
  const adobe = (transform: number) =>
    concat(
      [0xff, 0xd8, 0xff, 0xee, 0, 14],
      new TextEncoder().encode("Adobe"),
      [0, 100, 0, 0, 0, 0],
      [
        transform,
      ],
      without(file).subarray(2),
    );
  assert(isStored(adobe(0)));
  assert(!isStored(adobe(1)));
});

Deno.test("jpeg: what is damaged, not read, or too much work is named", () => {
  const [, , progressive] = ENCODED[1];
  const file = Uint8Array.fromBase64(progressive);
  const [frame, scan] = [segment(file, 0xc2), segment(file, 0xda)];
  const next = file.findIndex((byte, at) =>
    at > scan + 12 && byte === 0xff && file[at + 1] !== 0 && file[at + 1] !== 0xff
  );
  const end = file.length - 2;
  const repeated = (times: number) =>
    concat(
      file.subarray(0, next),
      ...Array(times).fill(file.subarray(scan, next)),
      file.subarray(next),
    );
  const fails = (bytes: Uint8Array, message: RegExp) =>
    assert.throws(() => decodeImage(bytes, "a.jpg"), refusal(message));
  fails(repeated(4000), /corrupt: it goes over its image in more than 100 scans/);
  fails(file.with(frame + 4, 12), /12 bits a sample; 8 are read/);
  fails(file.with(frame + 1, 0xc9), /kind SOF9 .*isn't read/);
  fails(file.with(frame + 9, 2), /2 components; 1, 3 or 4 are read/);
  fails(
    concat(file.subarray(0, scan + 14), file.subarray(end)),
    /a scan ends before its image does/,
  );
  fails(concat(file.subarray(0, scan), file.subarray(end)), /lacks a component/);
  fails(concat(file.subarray(0, 2), file.subarray(frame)), /lacks a /);
});

Deno.test("images: what is wrong with a file is named", () => {
  const good = png([2, 2, 8, 0], [[1, 2], [3, 4]]);
  const wrong: [Uint8Array, RegExp][] = [
    [new Uint8Array(), /^a: an empty file/],
    [new TextEncoder().encode("<html>"), /^a: neither a PNG nor a JPEG/],
    [good.subarray(0, 30), /truncated: its 30 bytes end in the middle of a chunk/],
    [good.subarray(0, good.length - 5), /truncated/],
    [good.with(45, good[45] ^ 255), /corrupt: its part IDAT differs from its checksum/],
    [png([2, 1, 3, 0], [[1]]), /3 bits a sample with colour type 0/],
    [png([2, 1, 8, 3], [[0, 1]]), /no palette/],
    [png([2, 1, 8, 3], [[0, 1]], chunk("PLTE", [1, 2, 3])), /palette has no colour 1/],
    [png([1, 70000, 8, 0], [[1]]), /1 x 70000 pixels, more than the 65535 along a side/],
    [png([10000, 5000, 16, 6], [[1]]), /takes 400005000 bytes, more than the/],
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
