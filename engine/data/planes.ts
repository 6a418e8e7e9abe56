/** Images whose channels lie one after the other, as pixels with their channels side by side. */
import type { Size } from "./dataset.ts";

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
