/**
 * JPEG files as pixels, baseline and progressive. An image is cut into blocks of 8 x 8, which are
 * stored as frequencies: segments.ts walks the file, scan.ts reads the frequencies, idct.ts makes
 * samples of them and colours.ts pixels. A baseline block becomes samples as soon as it is read;
 * of a progressive image all blocks are kept until its last scan, two bytes a sample.
 */
import { inverseTransform } from "./jpeg/idct.ts";
import { type Colours, type Plane, toRgb } from "./jpeg/colours.ts";
import { type Blocks, readScan, ZIGZAG } from "./jpeg/scan.ts";
import { type Component, type Frame, isFrame, JpegError, walk } from "./jpeg/segments.ts";
import { LIMITS } from "./limits.ts";
import { checkSize, imageError, type RgbImage } from "./pixels.ts";

export const isJpeg = (bytes: Uint8Array): boolean => bytes[0] === 0xff && bytes[1] === 0xd8;

/**
 * Decodes a JPEG file; grey and CMYK become red, green and blue too.
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
    return new Decoder(bytes).decode();
  } catch (error) {
    if (!(error instanceof JpegError)) throw error;
    throw imageError(name, `corrupt: ${error.message}`, undefined, error);
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

/** Whether the end marker follows somewhere: some programs write more behind it. */
function hasEnd(bytes: Uint8Array): boolean {
  for (let at = bytes.length - 2; at > 0; at--) {
    if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true;
  }
  return false;
}

/** Letters as components' names, by which some programs say that they are colours. */
const RGB_NAMES = [..."RGB"].map((letter) => letter.charCodeAt(0));

class Decoder {
  private frame: Frame | undefined;
  private readonly quant = new Map<number, Int32Array>();
  private readonly parts = new Map<Component, ComponentDecoder>();
  private scans = 0;
  private transform: number | undefined;
  private isJfif = false;

  constructor(private readonly bytes: Uint8Array) {}

  decode(): RgbImage {
    walk(this.bytes, {
      frame: (frame) => this.frame = frame,
      quantTable: (index, table) => this.quant.set(index, inRows(table)),
      adobe: (transform) => this.transform = transform,
      jfif: () => this.isJfif = true,
      scan: (header) => {
        const frame = this.frame!;
        this.checkScans(frame);
        return readScan(this.bytes, header, frame, (component) => this.partOf(component, frame));
      },
    });
    const { frame } = this;
    if (!frame) throw new JpegError("it has no frame");
    const planes = frame.components.map((component) => {
      const part = this.parts.get(component);
      if (!part) throw new JpegError("it lacks a component");
      return part.finish();
    });
    return toRgb(frame, planes, this.colours(frame));
  }

  private checkScans({ height, width }: Frame): void {
    this.scans++;
    const { jpegScans, jpegScanPixels } = LIMITS;
    if (this.scans <= jpegScans && this.scans * height * width <= jpegScanPixels) return;
    throw new JpegError(`it goes over its image in more than ${this.scans - 1} scans`);
  }

  private partOf(component: Component, frame: Frame): ComponentDecoder {
    const found = this.parts.get(component);
    if (found) return found;
    const quant = this.quant.get(component.quantTable);
    if (!quant) throw new JpegError("it lacks a quantisation table");
    const made = new ComponentDecoder(component, frame, quant);
    this.parts.set(component, made);
    return made;
  }

  /** As libjpeg decides. */
  private colours({ components }: Frame): Colours {
    const { transform, isJfif } = this;
    if (components.length === 1) return "grey";
    if (components.length === 4) return transform === 2 ? "ycck" : "cmyk";
    if (isJfif) return "ycc";
    if (transform !== undefined) return transform === 0 ? "rgb" : "ycc";
    return components.every(({ id }, i) => id === RGB_NAMES[i]) ? "rgb" : "ycc";
  }
}

/** A table in zigzag order as one in the order of rows. */
function inRows(table: Uint16Array): Int32Array {
  const rows = new Int32Array(64);
  ZIGZAG.forEach((at, k) => rows[at] = table[k]);
  return rows;
}

/** A component's blocks on their way to samples. */
class ComponentDecoder implements Blocks {
  private readonly stride: number;
  private samples: Uint8Array | undefined;
  /** Of a progressive image all coefficients, of a baseline one those of the block being read. */
  private coefficients: Int16Array;

  constructor(
    private readonly component: Component,
    private readonly frame: Frame,
    private readonly quant: Int32Array,
  ) {
    const { across, down } = component.padded;
    this.stride = 8 * across;
    this.coefficients = new Int16Array(frame.progressive ? 64 * across * down : 64);
  }

  at(column: number, row: number): Int16Array {
    if (!this.frame.progressive) return this.coefficients;
    const from = 64 * (row * this.component.padded.across + column);
    return this.coefficients.subarray(from, from + 64);
  }

  done(column: number, row: number): void {
    if (!this.frame.progressive) this.transform(this.coefficients, column, row);
  }

  finish(): Plane {
    const { component, frame: { height, width, hMax, vMax, progressive }, stride } = this;
    const { h, v, padded } = component;
    if (progressive) {
      for (let row = 0; row < padded.down; row++) {
        for (let column = 0; column < padded.across; column++) {
          this.transform(this.at(column, row), column, row);
        }
      }
      this.coefficients = new Int16Array();
    }
    const [across, down] = [hMax / h, vMax / v];
    const size = { width: Math.ceil(width / across), height: Math.ceil(height / down) };
    return { data: this.plane(), stride, ...size, across, down };
  }

  private transform(block: Int16Array, column: number, row: number): void {
    const { stride } = this;
    inverseTransform(block, this.quant, this.plane(), 8 * (row * stride + column), stride);
  }

  private plane(): Uint8Array {
    return this.samples ??= new Uint8Array(8 * this.component.padded.down * this.stride);
  }
}
