/** Images whose channels lie one after the other, as pixels with their channels side by side. */
import { Turns } from "../io/turns.ts";
import type { Size } from "./dataset.ts";

/** The pixels (n, H, W, C) of the planes of n images, which are stored column by column. */
export async function interleaveColumns(
  planes: Uint8Array,
  size: Size,
  channels: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Uint8Array(planes.length);
  const image = channels * size.height * size.width;
  const turns = new Turns();
  for (let at = 0; at < planes.length; at += image) {
    interleave(planes.subarray(at, at + image), out, at, size, channels, true);
    await turns.pass();
  }
  return out;
}

/**
 * Writes the planes of n images, (n, C, H, W), as pixels (n, H, W, C) at byte `start` of `out`.
 * @param columns whether a plane is stored column by column, (n, C, W, H)
 */
export function interleave(
  planes: Uint8Array,
  out: Uint8Array,
  start: number,
  { height, width }: Size,
  channels: number,
  columns = false,
): void {
  const [down, right] = columns ? [1, height] : [width, 1];
  const plane = height * width;
  let to = start;
  for (let image = 0; image < planes.length; image += channels * plane) {
    for (let h = 0; h < height; h++) {
      for (let w = 0; w < width; w++) {
        const from = image + h * down + w * right;
        for (let c = 0; c < channels; c++) out[to++] = planes[from + c * plane];
      }
    }
  }
}
