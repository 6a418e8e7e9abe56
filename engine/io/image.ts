/**
 * Image files as pixels, by libvips (the package `sharp`): JPEG, PNG, WebP, GIF and TIFF. Usual JPEG
 * files have a faster decoder (jpeg.ts), which enlarges chroma a little differently. What a file is
 * follows from its bytes and not from its name. Decoding runs on threads of its own, or is short, and
 * what is larger than limits.ts allows is refused by its header.
 *
 * Images are upright: how a camera was held (EXIF's orientation) is followed, as all viewers do and
 * tools that draw masks. Colour profiles are left aside and of several pictures the first is taken,
 * as Pillow and so torchvision have it. Of 16 bits the upper 8 are kept.
 */
import { Buffer } from "node:buffer";
import { encode } from "fast-png";
import sharp from "sharp";
import { ExitCode, UserError } from "../errors.ts";
import { type FilePart, readPart } from "./file_part.ts";
import { decodePlainJpeg } from "./jpeg.ts";
import { LIMITS } from "./limits.ts";
import type { ImageSize, RgbImage } from "./rgb_image.ts";

export type { ImageSize, RgbImage };

/** What a file says of its image. */
export interface ImageHeader {
  /** Of the upright image. */
  readonly size: ImageSize;
  /** Whether it is stored otherwise. */
  readonly isTurned: boolean;
  /** Those in the file, of which the first is decoded. */
  readonly pictures: number;
}

/** An image of bytes (H, W, C): grey, grey and alpha, colour, colour and alpha. */
export interface Pixels extends ImageSize {
  readonly channels: number;
  readonly data: Uint8Array;
}

/** The endings of the files that are read. */
export const IMAGE_ENDINGS: readonly string[] = [
  ".png",
  ".jpg",
  ".jpeg",
  ".jpe",
  ".jfif",
  ".webp",
  ".gif",
  ".tif",
  ".tiff",
];

// Other loaders (SVG is one) follow references to further files.
sharp.block({ operation: ["VipsForeignLoad"] });
sharp.unblock({
  operation: ["Jpeg", "Png", "Webp", "Nsgif", "Tiff"].map((name) => `VipsForeignLoad${name}`),
});
sharp.cache(false);

/**
 * Decodes an image; a transparent pixel counts as what lies under its transparency.
 * @param name the file, for messages
 * @throws UserError (data) that names the file: no image, truncated, corrupt, or too large
 */
export async function decodeImage(bytes: Uint8Array, name: string): Promise<RgbImage> {
  const plain = await decodePlainJpeg(bytes);
  if (plain) return plain;
  const image = await open(bytes, name);
  const { height, width, data } = await pixelsOf(image.removeAlpha(), name);
  return { height, width, data };
}

/** The same with what says how transparent each pixel is, where the file does: [H, W, 3 or 4]. */
export async function decodePixels(bytes: Uint8Array, name: string): Promise<Pixels> {
  return await pixelsOf(await open(bytes, name), name);
}

/**
 * The upright size of the image in a file, by its header.
 * @throws UserError (data) that names the file: not there, no image, or too large
 */
export async function imageSize(path: string): Promise<ImageSize> {
  return (await imageHeader({ path })).size;
}

/** The same of a file or a part of one, and whether the image is turned. */
export async function imageHeader(file: FilePart): Promise<ImageHeader> {
  const { path } = file;
  const found = file.within
    ? undefined
    : await sharp(path, ofHeaders).metadata().catch(() => undefined);
  // What is wrong with a file is told by its bytes.
  const metadata = found ?? await metadataOf(await imageBytes(file), path);
  const size = uprightSize(metadata);
  checkHeader(path, metadata);
  if (isScanned(metadata)) checkScans(path, size, await imageBytes(file));
  return { size, isTurned: (metadata.orientation ?? 1) > 1, pictures: metadata.pages ?? 1 };
}

/** The ending of a file with such an image: ".jpg". @throws UserError (data) where it is none */
export async function imageEnding(bytes: Uint8Array, name: string): Promise<string> {
  const { format } = await metadataOf(bytes, name);
  return format === "jpeg" ? ".jpg" : `.${format}`;
}

/** The bytes of a file with an image. @throws UserError (data) */
export const imageBytes = (file: FilePart): Promise<Uint8Array> =>
  readPart(file, ExitCode.data, LIMITS.imageFile);

/** A PNG file of an image. */
export function encodePng({ height, width, channels, data }: Pixels): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(encode({ height, width, channels, data, depth: 8 }));
}

/** A data set's image as it is shown: of two channels, which are red and green, with a blue of 0. */
export function shownPixels(image: Pixels): Pixels {
  if (image.channels !== 2) return image;
  const data = new Uint8Array(3 * image.height * image.width);
  image.data.forEach((value, i) => data[3 * (i >> 1) + (i & 1)] = value);
  return { ...image, channels: 3, data };
}

const options: sharp.SharpOptions = {
  limitInputPixels: LIMITS.pixels,
  failOn: "error",
  ignoreIcc: true,
};

/** A header's claim is held against the limits by `checkSize`, which names the file. */
const ofHeaders: sharp.SharpOptions = { ...options, limitInputPixels: false };

async function open(bytes: Uint8Array, name: string): Promise<sharp.Sharp> {
  const metadata = await metadataOf(bytes, name);
  checkHeader(name, metadata);
  if (isScanned(metadata)) checkScans(name, uprightSize(metadata), bytes);
  return sharp(bytes, options).autoOrient().toColourspace("srgb");
}

async function metadataOf(bytes: Uint8Array, name: string): Promise<sharp.Metadata> {
  if (bytes.length === 0) throw imageError(name, "an empty file");
  try {
    return await sharp(bytes, ofHeaders).metadata();
  } catch (error) {
    const { message } = error as Error;
    throw /unsupported image format/.test(message)
      ? imageError(name, "no image of a kind that is read (JPEG, PNG, WebP, GIF, TIFF)")
      : imageError(name, `corrupt: ${message}`, undefined, error);
  }
}

const uprightSize = ({ autoOrient: { height, width } }: sharp.Metadata): ImageSize => ({
  height,
  width,
});

async function pixelsOf(image: sharp.Sharp, name: string) {
  try {
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
    const { height, width, channels } = info;
    return {
      height,
      width,
      channels,
      data: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.length),
    };
  } catch (error) {
    throw imageError(name, `corrupt: ${(error as Error).message}`, undefined, error);
  }
}

/** @throws UserError (data) where an image of this size is not to be decoded */
export function checkSize(name: string, { height, width }: ImageSize): void {
  const { pixels, side } = LIMITS;
  const tooMany = height * width > pixels;
  if (!tooMany && Math.max(height, width) <= side) return;
  const most = tooMany ? `${pixels / 1e6} million` : `${side} along a side`;
  throw imageError(
    name,
    `an image of ${width} x ${height} pixels, more than the ${most} allowed`,
    "Make it smaller, or take it out of the data set.",
  );
}

/** Bytes of a sample by libvips's names of its types. */
const SAMPLE_BYTES: Readonly<Record<string, number>> = {
  ...{ uchar: 1, char: 1, ushort: 2, short: 2, uint: 4, int: 4, float: 4 },
  ...{ complex: 8, double: 8, dpcomplex: 16 },
};

/** @throws UserError (data) where an image is too large, or would be while it is decoded */
function checkHeader(name: string, metadata: sharp.Metadata): void {
  const size = uprightSize(metadata);
  checkSize(name, size);
  const { format, isProgressive, channels, depth } = metadata;
  // These are there as a whole before their first line is: a JPEG's as coefficients of two bytes.
  const isWhole = isProgressive || format === "tiff" || format === "webp" || format === "gif";
  const sample = format === "jpeg" ? 2 : SAMPLE_BYTES[depth] ?? 1;
  const pixels = size.height * size.width;
  const bytes = pixels * (3 + (isWhole ? channels * sample : 0));
  if (bytes <= LIMITS.decoding) return;
  throw imageError(
    name,
    `an image of ${size.width} x ${size.height} pixels that takes ${bytes} bytes to decode, more ` +
      `than the ${LIMITS.decoding} allowed`,
    "Make it smaller, or take it out of the data set.",
  );
}

const isScanned = ({ format, isProgressive }: sharp.Metadata) =>
  format === "jpeg" && isProgressive === true;

/** @throws UserError (data) where a progressive JPEG is a labour to decode */
function checkScans(name: string, { height, width }: ImageSize, bytes: Uint8Array): void {
  const most = Math.min(LIMITS.scans, Math.floor(LIMITS.scannedPixels / (height * width)));
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  // The marker that a scan begins with stands nowhere else but in what a segment quotes.
  const marker = Buffer.of(0xff, 0xda);
  let scans = 0;
  for (let at = file.indexOf(marker); at >= 0; at = file.indexOf(marker, at + 2)) {
    if (++scans > most) {
      throw imageError(
        name,
        `a JPEG of ${width} x ${height} pixels with more than the ${most} scans allowed`,
        "Save it again, or take it out of the data set.",
      );
    }
  }
}

function imageError(name: string, problem: string, hint?: string, cause?: unknown) {
  return new UserError(
    `${name}: ${problem.split("\n")[0].replace("Input buffer has corrupt header: ", "")}`,
    ExitCode.data,
    hint ?? "Get the file again, or take it out of the data set.",
    { cause },
  );
}
