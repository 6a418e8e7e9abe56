/**
 * JPEG files as most photographs in data sets are, by a decoder in Rust that takes a quarter of
 * libvips's time for small images (the package `@napi-rs/image`). They are baseline, in luma and
 * chroma, whole, and without a segment that may turn them. What is otherwise in any way, or wrong,
 * is left to image.ts.
 *
 * Segments and frames: ITU-T T.81, annex B. Which colours the components are: as libjpeg decides.
 */
import { Buffer } from "node:buffer";
import { Transformer } from "@napi-rs/image";
import { LIMITS } from "./limits.ts";
import type { ImageSize, RgbImage } from "./rgb_image.ts";

/** Pixels up to which an image is decoded at once: in 2 ms. Going to a thread and back takes as long. */
const AT_ONCE = 2 ** 18;

/** The image in such a file; undefined for any other file. A large one has a thread of its own. */
export async function decodePlainJpeg(bytes: Uint8Array): Promise<RgbImage | undefined> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const frame = plainFrame(file);
  if (!frame) return undefined;
  const data = await rawPixels(file, frame).catch(() => undefined);
  if (data?.length !== 3 * frame.height * frame.width) return undefined;
  return {
    ...frame,
    data: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.length),
  };
}

async function rawPixels(file: Buffer, { height, width }: ImageSize): Promise<Buffer> {
  const image = new Transformer(file);
  return height * width <= AT_ONCE ? image.rawPixelsSync() : await image.rawPixels();
}

const SOI = 0xffd8, EOI = 0xffd9;
const BASELINE = 0xc0, SCAN = 0xda, APP1 = 0xe1, ADOBE = 0xee;

/** The size of the image, where it is plain. */
function plainFrame(file: Buffer): ImageSize | undefined {
  if (file.length < 4 || file.readUInt16BE(0) !== SOI) return undefined;
  if (file.readUInt16BE(file.length - 2) !== EOI) return undefined;
  let frame: ImageSize | undefined;
  for (let at = 2; at + 4 <= file.length && file[at] === 0xff;) {
    const marker = file[at + 1];
    const segment = file.subarray(at + 4, at + 2 + file.readUInt16BE(at + 2));
    if (marker === SCAN) return frame;
    if (isFrame(marker)) {
      if (marker !== BASELINE || frame) return undefined;
      frame = colourFrame(segment);
      if (!frame) return undefined;
    }
    // EXIF lies there, and with it how the camera was held.
    if (marker === APP1) return undefined;
    if (marker === ADOBE && !hasUsualColours(segment)) return undefined;
    at += 4 + segment.length;
  }
  return undefined;
}

/** Of any kind: SOF0 to SOF15 without the tables among these. */
const isFrame = (marker: number) =>
  marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** The size in the header of a frame of 8 bits, luma and two chromas. */
function colourFrame(segment: Buffer): ImageSize | undefined {
  if (segment.length !== 15 || segment[0] !== 8 || segment[5] !== 3) return undefined;
  if ([6, 9, 12].some((at, k) => segment[at] !== k + 1)) return undefined;
  const [height, width] = [segment.readUInt16BE(1), segment.readUInt16BE(3)];
  const isUsual = height > 0 && width > 0 && height * width <= LIMITS.pixels;
  return isUsual ? { height, width } : undefined;
}

/** Whether Adobe's segment says that there are luma and chromas. */
const hasUsualColours = (segment: Buffer) =>
  segment.length >= 12 && segment.toString("latin1", 0, 5) === "Adobe" && segment[11] === 1;
