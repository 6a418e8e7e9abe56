/** What the formats of images have in common: pixels, how many there may be, and their errors. */
import { ExitCode, UserError } from "../errors.ts";
import { LIMITS } from "./limits.ts";

/** An image of bytes (H, W, 3): red, green, blue. */
export interface RgbImage {
  readonly height: number;
  readonly width: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** @throws UserError (data) where an image of this size is not to be decoded */
export function checkSize(name: string, height: number, width: number): void {
  if (height === 0 || width === 0) throw imageError(name, `an empty image of ${width} x ${height}`);
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

export function imageError(name: string, problem: string, hint?: string, cause?: unknown) {
  return new UserError(
    `${name}: ${problem}`,
    ExitCode.data,
    hint ?? "Get the file again, or take it out of the data set.",
    { cause },
  );
}
