/**
 * PNG files as pixels, and pixels as PNG files. The header says how many bytes the rows take, and
 * no more than those are inflated: neither a short file nor a bomb gets further.
 *
 * A row is a byte, which says how the row is filtered, and its samples. A filter replaced each byte
 * by its difference from what the bytes to the left (a), above (b) and above left (c) foretell:
 *
 *     0  0     1  a     2  b     3  (a + b) / 2     4  whichever of a, b, c is nearest to a + b - c
 *
 * Source: W3C, PNG (Third Edition), 5 (chunks), 8 (interlacing), 9 (filters) and 11.2 (header,
 * palette).
 */
import { crc32, deflateSync, inflateSync } from "node:zlib";
import { LIMITS } from "./limits.ts";
import { checkSize, imageError } from "./pixels.ts";

/** An image of bytes (H, W, C): grey, grey and alpha, colour, colour and alpha. */
export interface PngImage {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const PALETTE = 3;

/** By colour type: samples of a pixel, and the bits that one may have. */
const COLOURS: Readonly<Record<number, { samples: number; depths: readonly number[] }>> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] },
  2: { samples: 3, depths: [8, 16] },
  3: { samples: 1, depths: [1, 2, 4, 8] },
  4: { samples: 2, depths: [8, 16] },
  6: { samples: 4, depths: [8, 16] },
};

/** An image whose pixels lie in the whole one from a first column and row on, in steps. */
type Grid = readonly [x: number, y: number, dx: number, dy: number];

const WHOLE: readonly Grid[] = [[0, 0, 1, 1]];
/** The seven images of an interlaced one. */
const ADAM7: readonly Grid[] = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

/** What the pixels follow from. */
interface Content {
  readonly height: number;
  readonly width: number;
  readonly depth: number;
  readonly samples: number;
  readonly grids: readonly Grid[];
  /** Red, green and blue of each colour, where the samples are colours' numbers. */
  readonly palette?: Uint8Array;
  /** The alpha of the palette's first colours; the others are opaque. */
  readonly alpha?: Uint8Array;
  /** The rows, compressed. */
  readonly compressed: Uint8Array;
}

export const isPng = (bytes: Uint8Array): boolean => SIGNATURE.every((b, i) => bytes[i] === b);

/** The size that the header states; undefined where it is cut off. */
export function headerSize(bytes: Uint8Array): { height: number; width: number } | undefined {
  if (bytes.length < 24) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

/** A PNG file of an image (H, W, C). */
export function encodePng({ height, width, channels, data }: PngImage): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, [0, 0, 4, 2, 6][channels]], 8);
  const row = width * channels;
  const rows = new Uint8Array(height * (1 + row));
  for (let y = 0; y < height; y++) {
    rows.set(data.subarray(y * row, (y + 1) * row), y * (1 + row) + 1);
  }
  return join([
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", new Uint8Array()),
  ]);
}

/** A chunk: its length, its name, its data and a checksum of the latter two. */
function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

/**
 * Decodes a PNG file of any colour type to bytes; of 16 bits the upper 8 are kept, a palette
 * becomes its colours.
 * @param name the file, for messages
 * @param withAlpha whether the image has an alpha channel where the file has one
 * @throws UserError (data) that names the file: truncated, corrupt, or too large
 */
export function decodePng(bytes: Uint8Array, name: string, withAlpha = true): PngImage {
  const content = readChunks(bytes, name);
  const { height, width, grids, depth, samples } = content;
  const rows = inflateRows(content, name);
  const makePixels = pixelMaker(content, withAlpha, name);
  const { channels } = makePixels;
  const data = new Uint8Array(height * width * channels);
  const step = Math.ceil(samples * depth / 8);
  let at = 0;
  for (const [x, y, dx, dy] of grids) {
    const [columns, lines] = [part(width, x, dx), part(height, y, dy)];
    if (columns === 0) continue;
    const length = rowBytes(content, columns);
    let above: Uint8Array = new Uint8Array(length);
    for (let line = 0; line < lines; line++, at += 1 + length) {
      const row = rows.subarray(at + 1, at + 1 + length);
      if (!unfilter(rows[at], row, above, step)) {
        throw imageError(name, `corrupt: there is no filter ${rows[at]}`);
      }
      makePixels(row, columns, data, ((y + line * dy) * width + x) * channels, dx * channels);
      above = row;
    }
  }
  return { height, width, channels, data };
}

/** Pixels of `size` along a side that a grid has. */
const part = (size: number, first: number, step: number) =>
  Math.max(0, Math.ceil((size - first) / step));

const rowBytes = ({ samples, depth }: Content, columns: number) =>
  Math.ceil(columns * samples * depth / 8);

/** Takes a row's filter off in place; see the header. @returns false where there is no such */
function unfilter(filter: number, row: Uint8Array, above: Uint8Array, step: number): boolean {
  switch (filter) {
    case 0:
      return true;
    case 1:
      for (let i = step; i < row.length; i++) row[i] += row[i - step];
      return true;
    case 2:
      for (let i = 0; i < row.length; i++) row[i] += above[i];
      return true;
    case 3:
      for (let i = 0; i < row.length; i++) {
        row[i] += ((i < step ? 0 : row[i - step]) + above[i]) >> 1;
      }
      return true;
    case 4:
      for (let i = 0; i < row.length; i++) {
        const [a, c] = i < step ? [0, 0] : [row[i - step], above[i - step]];
        const b = above[i];
        const [toA, toB, toC] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
        row[i] += toA <= toB && toA <= toC ? a : toB <= toC ? b : c;
      }
      return true;
    default:
      return false;
  }
}

/** Writes the pixels of a row from `to` on, `step` bytes apart. */
interface PixelMaker {
  (row: Uint8Array, columns: number, out: Uint8Array, to: number, step: number): void;
  /** Bytes of a pixel. */
  readonly channels: number;
}

function pixelMaker(content: Content, withAlpha: boolean, name: string): PixelMaker {
  const { samples, depth, palette, alpha } = content;
  const sample = sampleReader(depth);
  if (!palette) {
    const channels = !withAlpha && samples % 2 === 0 ? samples - 1 : samples;
    const most = depth < 8 ? 2 ** depth - 1 : 255;
    return Object.assign(
      (row: Uint8Array, columns: number, out: Uint8Array, to: number, step: number) => {
        if (depth === 8 && channels === samples && step === channels) return out.set(row, to);
        for (let x = 0, from = 0; x < columns; x++, from += samples, to += step) {
          for (let c = 0; c < channels; c++) {
            const value = sample(row, from + c);
            out[to + c] = most === 255 ? value : Math.round(value * 255 / most);
          }
        }
      },
      { channels },
    );
  }
  const channels = withAlpha && alpha ? 4 : 3;
  return Object.assign(
    (row: Uint8Array, columns: number, out: Uint8Array, to: number, step: number) => {
      for (let x = 0; x < columns; x++, to += step) {
        const colour = sample(row, x);
        if (3 * colour >= palette.length) {
          throw imageError(name, `corrupt: its palette has no colour ${colour}`);
        }
        for (let c = 0; c < 3; c++) out[to + c] = palette[3 * colour + c];
        if (channels === 4) out[to + 3] = alpha![colour] ?? 255;
      }
    },
    { channels },
  );
}

/** The i-th sample of a row: the upper byte of 16 bits, the value of fewer. */
function sampleReader(depth: number): (row: Uint8Array, i: number) => number {
  if (depth === 8) return (row, i) => row[i];
  if (depth === 16) return (row, i) => row[2 * i];
  const [perByte, mask] = [8 / depth, 2 ** depth - 1];
  return (row, i) => (row[Math.floor(i / perByte)] >> (8 - depth * (1 + i % perByte))) & mask;
}

/** Walks the chunks; those that the pixels don't follow from are passed over. */
function readChunks(bytes: Uint8Array, name: string): Content {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const compressed: Uint8Array[] = [];
  let header: Omit<Content, "compressed"> & { readonly colourType: number } | undefined;
  let [palette, alpha]: (Uint8Array | undefined)[] = [];
  for (let at = 8, type = ""; type !== "IEND";) {
    const length = at + 12 > bytes.length ? Infinity : view.getUint32(at);
    const end = at + 12 + length;
    if (end > bytes.length) throw truncated(name, bytes);
    type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const data = bytes.subarray(at + 8, end - 4);
    if (!header) {
      if (type !== "IHDR" || length !== 13) throw imageError(name, "corrupt: it has no header");
      header = readHeader(data, bytes, name);
    }
    const needed = ["IHDR", "PLTE", "tRNS", "IDAT", "IEND"].includes(type);
    if (needed && crc32(bytes.subarray(at + 4, end - 4)) !== view.getUint32(end - 4)) {
      throw imageError(name, `corrupt: its part ${type} differs from its checksum`);
    }
    if (type === "PLTE") palette = data;
    if (type === "tRNS") alpha = data;
    if (type === "IDAT") compressed.push(data);
    at = end;
  }
  const { colourType, ...content } = header!;
  const joined = join(compressed);
  if (colourType !== PALETTE) return { ...content, compressed: joined };
  if (!palette) throw imageError(name, "corrupt: it has no palette");
  return { ...content, compressed: joined, palette, alpha };
}

function readHeader(data: Uint8Array, bytes: Uint8Array, name: string) {
  const { width, height } = headerSize(bytes)!;
  const [depth, colourType, compression, filter, interlaced] = data.subarray(8);
  checkSize(name, height, width);
  const colour = COLOURS[colourType];
  if (!colour) throw imageError(name, `corrupt: there is no colour type ${colourType}`);
  if (!colour.depths.includes(depth)) {
    throw imageError(name, `corrupt: ${depth} bits a sample with colour type ${colourType}`);
  }
  if (compression !== 0 || filter !== 0 || interlaced > 1) {
    throw imageError(name, "corrupt: its header states methods that PNG doesn't have");
  }
  const grids = interlaced ? ADAM7 : WHOLE;
  return { width, height, depth, colourType, samples: colour.samples, grids };
}

/** The filtered rows: as many bytes as the header promises. */
function inflateRows(content: Content, name: string): Uint8Array {
  const { width, height, grids } = content;
  const expected = grids.reduce((sum, [x, y, dx, dy]) => {
    const columns = part(width, x, dx);
    return columns === 0 ? sum : sum + part(height, y, dy) * (1 + rowBytes(content, columns));
  }, 0);
  if (expected > LIMITS.imageRows) {
    throw imageError(
      name,
      `an image of ${width} x ${height} pixels that takes ${expected} bytes, more than the ` +
        `${LIMITS.imageRows} allowed`,
      "Make it smaller, or save it with 8 bits a sample.",
    );
  }
  let rows: Uint8Array;
  try {
    // In one piece: pieces would be held beside what they are put together to.
    const options = { maxOutputLength: expected, chunkSize: expected + 64 };
    rows = inflateSync(content.compressed, options);
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code === "ERR_BUFFER_TOO_LARGE") {
      throw imageError(name, `corrupt: it holds more than the ${expected} bytes of its image`);
    }
    const problem = code === "Z_BUF_ERROR"
      ? "truncated: its image ends early"
      : `corrupt: ${message}`;
    throw imageError(name, problem, undefined, error);
  }
  if (rows.length === expected) return rows;
  throw imageError(
    name,
    `truncated: ${rows.length} of the ${expected} bytes of its image are there`,
  );
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const truncated = (name: string, bytes: Uint8Array) =>
  imageError(name, `truncated: its ${bytes.length} bytes end in the middle of a chunk`);
