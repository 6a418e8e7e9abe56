/** JPEG files as pixels, baseline and progressive. */
import jpeg from "jpeg-js";
import { checkSize, imageError, MOST_PIXELS, type RgbImage } from "./pixels.ts";

/** What decoding may take, in MiB. */
const MOST_MEMORY = 1500;

export const isJpeg = (bytes: Uint8Array): boolean => bytes[0] === 0xff && bytes[1] === 0xd8;

/**
 * Decodes a JPEG file; grey ones become red, green and blue too.
 * @param name the file, for messages
 * @throws UserError (data) that names the file: truncated, corrupt, or too large
 */
export function decodeJpeg(bytes: Uint8Array, name: string): RgbImage {
  const size = frameSize(bytes);
  if (!size) throw imageError(name, "truncated: the file ends before its image begins");
  checkSize(name, size.height, size.width);
  if (!hasEnd(bytes)) {
    throw imageError(name, `truncated: its ${bytes.length} bytes end in the middle of the image`);
  }
  try {
    const { height, width, data } = jpeg.decode(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      tolerantDecoding: false,
      maxResolutionInMP: MOST_PIXELS / 1e6,
      maxMemoryUsageInMB: MOST_MEMORY,
    });
    return { height, width, data: Uint8Array.from(data) };
  } catch (error) {
    throw imageError(name, `corrupt: ${(error as Error).message}`, undefined, error);
  }
}

/** The size that the frame header states, the first segment SOF; undefined where it is not there. */
export function frameSize(bytes: Uint8Array): { height: number; width: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 2; at + 9 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1];
    if (marker === 0xff) at++; // a byte of filling
    else if (isFrame(marker)) {
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    } else at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

/** SOF0 to SOF15, without the tables DHT and DAC and the extension JPG among them. */
const isFrame = (marker: number) =>
  marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** Whether the end marker follows somewhere: some programs write more behind it. */
function hasEnd(bytes: Uint8Array): boolean {
  for (let at = bytes.length - 2; at > 0; at--) {
    if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true;
  }
  return false;
}
