/**
 * Components as pixels: colours that were stored at half the size are interpolated to the whole,
 * each new sample 3/4 of the nearer and 1/4 of the farther one, and turned into red, green and
 * blue. All of it rounds as libjpeg does.
 */
import type { RgbImage } from "../pixels.ts";
import type { Frame } from "./segments.ts";

/** A component's samples, of which `width` x `height` are the image's. */
export interface Plane {
  readonly data: Uint8Array;
  /** Samples from one row to the next. */
  readonly stride: number;
  readonly width: number;
  readonly height: number;
  /** How many pixels a sample stands for, across and down. */
  readonly across: number;
  readonly down: number;
}

/** What the components mean. CMYK is stored inverted, as Adobe's programs do. */
export type Colours = "grey" | "rgb" | "ycc" | "cmyk" | "ycck";

export function toRgb({ height, width }: Frame, planes: readonly Plane[], colours: Colours) {
  const data = new Uint8Array(3 * height * width);
  const rows = planes.map((plane) => new RowReader(plane, width));
  const convert = CONVERSIONS[colours];
  for (let y = 0; y < height; y++) {
    convert(rows.map((row) => row.read(y)), data, 3 * y * width, width);
  }
  return { height, width, data } satisfies RgbImage;
}

/** The rows of a component at the image's size. */
class RowReader {
  private readonly row: Uint8Array;
  private readonly sums: Uint16Array;

  constructor(private readonly plane: Plane, private readonly width: number) {
    this.row = new Uint8Array(width + 1);
    this.sums = new Uint16Array(plane.width);
  }

  read(y: number): Uint8Array {
    const { plane: { data, stride, across, down }, width } = this;
    if (across === 1 && down === 1) return data.subarray(y * stride, y * stride + width);
    if (across === 2 && down === 1) this.wider(y);
    else if (across <= 2 && down === 2) this.higher(y);
    else {
      const from = Math.floor(y / down) * stride;
      for (let x = 0; x < width; x++) this.row[x] = data[from + Math.floor(x / across)];
    }
    return this.row;
  }

  /** Twice as wide. */
  private wider(y: number): void {
    const { plane: { data, stride, width }, row } = this;
    const from = y * stride;
    for (let x = 0; x < width; x++) {
      const value = data[from + x];
      const [left, right] = [
        data[from + Math.max(0, x - 1)],
        data[from + Math.min(x + 1, width - 1)],
      ];
      row[2 * x] = (3 * value + left + 1) >> 2;
      row[2 * x + 1] = (3 * value + right + 2) >> 2;
    }
  }

  /** Twice as high, and as wide or twice as wide. */
  private higher(y: number): void {
    const { plane: { data, stride, width, height, across }, row, sums } = this;
    const [own, isLower] = [y >> 1, y & 1];
    const other = Math.max(0, Math.min(own + (isLower ? 1 : -1), height - 1));
    for (let x = 0; x < width; x++) sums[x] = 3 * data[own * stride + x] + data[other * stride + x];
    if (across === 1) {
      for (let x = 0; x < width; x++) row[x] = (sums[x] + 1 + isLower) >> 2;
      return;
    }
    for (let x = 0; x < width; x++) {
      const [left, right] = [sums[Math.max(0, x - 1)], sums[Math.min(x + 1, width - 1)]];
      row[2 * x] = (3 * sums[x] + left + 8) >> 4;
      row[2 * x + 1] = (3 * sums[x] + right + 7) >> 4;
    }
  }
}

type Conversion = (
  rows: readonly Uint8Array[],
  out: Uint8Array,
  at: number,
  width: number,
) => void;

/** 1.402, 0.344136, 0.714136 and 1.772 in 65536ths. */
const [RED, GREEN_BLUE, GREEN_RED, BLUE] = [91881, 22554, 46802, 116130];
const HALF = 32768;
const clamp = (value: number) => value < 0 ? 0 : value > 255 ? 255 : value;

const ycc: Conversion = ([luma, blues, reds], out, at, width) => {
  for (let x = 0; x < width; x++, at += 3) {
    const [y, b, r] = [luma[x], blues[x] - 128, reds[x] - 128];
    out[at] = clamp(y + ((RED * r + HALF) >> 16));
    out[at + 1] = clamp(y + ((-GREEN_BLUE * b - GREEN_RED * r + HALF) >> 16));
    out[at + 2] = clamp(y + ((BLUE * b + HALF) >> 16));
  }
};

/** Red, green and blue times the share of light that the black lets through. */
const darkened = (out: Uint8Array, at: number, width: number, light: (x: number) => number) => {
  for (let x = 0; x < width; x++) {
    for (let c = 0; c < 3; c++, at++) out[at] = Math.round(out[at] * light(x) / 255);
  }
};

const rgb: Conversion = (rows, out, at, width) => {
  for (let x = 0; x < width; x++) for (let c = 0; c < 3; c++) out[at++] = rows[c][x];
};

const CONVERSIONS: Readonly<Record<Colours, Conversion>> = {
  grey: ([row], out, at, width) => rgb([row, row, row], out, at, width),
  rgb,
  ycc,
  cmyk: (rows, out, at, width) => {
    rgb(rows, out, at, width);
    darkened(out, at, width, (x) => rows[3][x]);
  },
  ycck: (rows, out, at, width) => {
    ycc(rows, out, at, width);
    for (let i = at; i < at + 3 * width; i++) out[i] = 255 - out[i];
    darkened(out, at, width, (x) => rows[3][x]);
  },
};
