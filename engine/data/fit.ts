/**
 * How an image of any form becomes one of the network's: stretched, without regard to its
 * proportions; its middle, as torchvision's Resize and CenterCrop take it; or the whole, with black
 * bars. Images and masks go the same way.
 */
import type { Size } from "./dataset.ts";
import { checkSize } from "../io/image.ts";

export const RESIZE_MODES = ["stretch", "crop", "pad"] as const;
export type ResizeMode = typeof RESIZE_MODES[number];

/** An image is scaled, and a window of the target's size is laid over it. */
export interface Fit {
  readonly scaled: Size;
  /** The window's place in the scaled image; below 0 where it is larger. */
  readonly top: number;
  readonly left: number;
}

/** @param name the image, for messages. @throws UserError (data) where the scaled one is too large */
export function fitted(mode: ResizeMode, from: Size, to: Size, name: string): Fit {
  if (mode === "stretch") return { scaled: to, top: 0, left: 0 };
  const [down, right] = [to.height / from.height, to.width / from.width];
  const byHeight = mode === "crop" ? down >= right : down <= right;
  const scaled = byHeight
    ? { height: to.height, width: Math.max(1, Math.floor(from.width * down)) }
    : { height: Math.max(1, Math.floor(from.height * right)), width: to.width };
  checkSize(name, scaled);
  const middle = (whole: number, part: number) => halfToEven((whole - part) / 2);
  return {
    scaled,
    top: middle(scaled.height, to.height),
    left: middle(scaled.width, to.width),
  };
}

/** As Python's `round`, which torchvision calls. */
function halfToEven(x: number): number {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + Math.abs(floor % 2) : Math.round(x);
}

/** The window of a scaled image (H, W, C), zeros outside of it. */
export function framed(
  image: Uint8Array<ArrayBuffer>,
  { scaled, top, left }: Fit,
  to: Size,
): Uint8Array<ArrayBuffer> {
  if (scaled.height === to.height && scaled.width === to.width) return image;
  const channels = image.length / (scaled.height * scaled.width);
  const out = new Uint8Array(to.height * to.width * channels);
  const [from, end] = [Math.max(0, left), Math.min(scaled.width, left + to.width)];
  for (let y = 0; y < to.height; y++) {
    const row = top + y;
    if (row < 0 || row >= scaled.height) continue;
    const line = image.subarray(
      (row * scaled.width + from) * channels,
      (row * scaled.width + end) * channels,
    );
    out.set(line, (y * to.width + from - left) * channels);
  }
  return out;
}
