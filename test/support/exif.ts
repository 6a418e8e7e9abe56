/** Image files that say which way up they are. */
import { crc32 } from "node:zlib";
import { concat } from "./io.ts";

/** A TIFF structure that states an orientation, behind another tag. */
export function exif(orientation: number, little: boolean): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(38));
  const short = (at: number, value: number) => view.setUint16(at, value, little);
  const long = (at: number, value: number) => view.setUint32(at, value, little);
  short(0, little ? 0x4949 : 0x4d4d);
  short(2, 42);
  long(4, 8);
  short(8, 2);
  for (const [at, tag, type, value] of [[10, 0x0100, 3, 7], [22, 0x0112, 3, orientation]]) {
    short(at, tag);
    short(at + 2, type);
    long(at + 4, 1);
    short(at + 8, value);
  }
  return new Uint8Array(view.buffer);
}

/** A JPEG file with a segment APP1 behind its first marker. */
export function withExif(jpeg: Uint8Array, tiff: Uint8Array): Uint8Array<ArrayBuffer> {
  const body = concat(new TextEncoder().encode("Exif\0\0"), tiff);
  const length = body.length + 2;
  return concat(
    jpeg.subarray(0, 2),
    [0xff, 0xe1, length >> 8, length & 255],
    body,
    jpeg.subarray(2),
  );
}

/** A PNG file with a chunk eXIf behind its header. */
export function pngWithExif(png: Uint8Array, tiff: Uint8Array): Uint8Array<ArrayBuffer> {
  const typed = concat(new TextEncoder().encode("eXIf"), tiff);
  const word = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
  return concat(
    png.subarray(0, 33),
    word(tiff.length),
    typed,
    word(crc32(typed)),
    png.subarray(33),
  );
}
