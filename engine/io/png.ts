/**
 * PNG files as pixels, and pixels as PNG files. The chunks are walked and inflated here first,
 * within what the header promises: neither a short file nor a bomb gets further.
 *
 * Source: W3C, PNG (Third Edition), 5 (chunks) and 11.2.1 (image header).
 */
import { inflateSync } from "node:zlib";
import { convertIndexedToRgb, decode, encode } from "fast-png";
import { checkSize, imageError } from "./pixels.ts";

/** An image of bytes (H, W, C): grey, grey and alpha, colour, colour and alpha. */
export interface PngImage {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Samples of a pixel by colour type. */
const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** The seven images of an interlaced one: first column, first row, and the steps from there. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

export const isPng = (bytes: Uint8Array): boolean => SIGNATURE.every((b, i) => bytes[i] === b);

/** The size that the header states; undefined where it is cut off. */
export function headerSize(bytes: Uint8Array): { height: number; width: number } | undefined {
  if (bytes.length < 24) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

/** A PNG file of an image (H, W, C). */
export function encodePng({ height, width, channels, data }: PngImage): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(encode({ height, width, channels, data, depth: 8 }));
}

/**
 * Decodes a PNG file of any colour type to bytes; of 16 bits the upper 8 are kept, a palette
 * becomes its colours.
 * @param name the file, for messages
 * @throws UserError (data) that names the file: truncated, corrupt, or too large
 */
export function decodePng(bytes: Uint8Array, name: string): PngImage {
  const critical = checkPng(bytes, name);
  try {
    const { height, width, channels, depth, palette, data } = decode(critical, { checkCrc: true });
    const size = { height, width };
    if (palette) {
      const indexed = { ...size, channels, depth, palette, data };
      const colours = convertIndexedToRgb(indexed as Parameters<typeof convertIndexedToRgb>[0]);
      return { ...size, channels: palette[0].length, data: Uint8Array.from(colours) };
    }
    return { ...size, channels, data: asBytes(data, depth, height, width * channels) };
  } catch (error) {
    throw imageError(name, `corrupt: ${(error as Error).message}`, undefined, error);
  }
}

/** Samples of 1, 2, 4, 8 or 16 bits, each row beginning at a byte, as bytes from 0 to 255. */
function asBytes(
  data: ArrayLike<number>,
  depth: number,
  height: number,
  samples: number,
): Uint8Array<ArrayBuffer> {
  if (depth === 8) return Uint8Array.from(data);
  if (depth === 16) return Uint8Array.from(data, (value) => value >> 8);
  const [perByte, most] = [8 / depth, 2 ** depth - 1];
  const rowBytes = Math.ceil(samples / perByte);
  return Uint8Array.from({ length: height * samples }, (_, i) => {
    const [row, column] = [Math.floor(i / samples), i % samples];
    const byte = data[row * rowBytes + Math.floor(column / perByte)];
    const value = (byte >> (8 - depth * (1 + column % perByte))) & most;
    return Math.round(value * 255 / most);
  });
}

/** Walks the chunks; returns the file with those alone that the pixels follow from. */
function checkPng(bytes: Uint8Array, name: string): Uint8Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kept = [bytes.subarray(0, 8)];
  const compressed: Uint8Array[] = [];
  let expected = 0;
  for (let at = 8, type = ""; type !== "IEND";) {
    if (at + 12 > bytes.length) throw truncated(name, bytes);
    const length = view.getUint32(at);
    type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const end = at + 12 + length;
    if (end > bytes.length) throw truncated(name, bytes);
    if (at === 8) {
      if (type !== "IHDR" || length !== 13) throw imageError(name, "corrupt: it has no header");
      expected = dataBytes(bytes, name);
    }
    if (type === "IDAT") compressed.push(bytes.subarray(at + 8, end - 4));
    if (["IHDR", "PLTE", "tRNS", "IDAT", "IEND"].includes(type)) kept.push(bytes.subarray(at, end));
    at = end;
  }
  checkData(compressed, expected, name);
  return Uint8Array.from(join(kept));
}

/** Bytes of the filtered rows that the header promises. */
function dataBytes(bytes: Uint8Array, name: string): number {
  const { width, height } = headerSize(bytes)!;
  const [depth, colourType, interlaced] = [24, 25, 28].map((at) => bytes[at]);
  checkSize(name, height, width);
  const samples = SAMPLES[colourType];
  if (!samples) throw imageError(name, `corrupt: there is no colour type ${colourType}`);
  const rows = (columns: number, lines: number) =>
    columns === 0 ? 0 : lines * (1 + Math.ceil(columns * samples * depth / 8));
  if (!interlaced) return rows(width, height);
  if (depth < 8) {
    const hint = "Save it without interlacing.";
    throw imageError(name, `interlaced with ${depth} bits a sample, which isn't read`, hint);
  }
  return ADAM7.reduce((sum, [x, y, dx, dy]) => {
    const part = (size: number, first: number, step: number) =>
      Math.max(0, Math.ceil((size - first) / step));
    return sum + rows(part(width, x, dx), part(height, y, dy));
  }, 0);
}

function checkData(compressed: readonly Uint8Array[], expected: number, name: string): void {
  let found: number;
  try {
    found = inflateSync(join(compressed), { maxOutputLength: expected }).length;
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code === "ERR_BUFFER_TOO_LARGE") {
      throw imageError(name, `corrupt: it holds more than the ${expected} bytes of its image`);
    }
    const problem = code === "Z_BUF_ERROR" ? "truncated: its image ends early" : message;
    throw imageError(name, problem, undefined, error);
  }
  if (found < expected) {
    throw imageError(name, `truncated: ${found} of the ${expected} bytes of its image are there`);
  }
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
