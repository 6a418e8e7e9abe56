/**
 * PNG and JPEG files as pixels. What a file is follows from its first bytes and not from its name.
 * An image larger than the limits is refused before anything is allocated for it.
 */
import { decodeJpeg, frameSize, isJpeg } from "./jpeg.ts";
import { checkSize, imageError, type RgbImage } from "./pixels.ts";
import { decodePng, headerSize, isPng } from "./png.ts";

/**
 * Decodes a PNG or JPEG file; a transparent pixel counts as what lies under its transparency.
 * @param name the file, for messages
 * @throws UserError (data) that names the file: neither, truncated, corrupt, or too large
 */
export function decodeImage(bytes: Uint8Array, name: string): RgbImage {
  if (isJpeg(bytes)) return decodeJpeg(bytes, name);
  if (!isPng(bytes)) throw notAnImage(name, bytes);
  const { height, width, channels, data } = decodePng(bytes, name, false);
  if (channels === 3) return { height, width, data };
  const rgb = new Uint8Array(3 * data.length);
  for (let p = 0; p < data.length; p++) rgb.fill(data[p], 3 * p, 3 * p + 3);
  return { height, width, data: rgb };
}

/**
 * The size that a PNG or JPEG file states, without decoding it.
 * @param whole whether `bytes` is the whole file, or only its beginning
 * @returns undefined where the beginning says too little
 * @throws UserError (data) that names the file: neither, truncated or too large
 */
export function imageSize(bytes: Uint8Array, name: string, whole = false) {
  const format = isJpeg(bytes) ? "JPEG" : isPng(bytes) ? "PNG" : undefined;
  if (!format) throw notAnImage(name, bytes);
  const size = format === "JPEG" ? frameSize(bytes) : headerSize(bytes);
  if (size) checkSize(name, size.height, size.width);
  else if (whole) throw imageError(name, "truncated: the file ends before its image begins");
  return size;
}

const notAnImage = (name: string, bytes: Uint8Array) =>
  imageError(name, bytes.length === 0 ? "an empty file" : "neither a PNG nor a JPEG file");
