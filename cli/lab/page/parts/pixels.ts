/// <reference lib="dom" />
/** Images shown pixel by pixel, and what a network looks at laid over them. */

import { html, type TemplateResult } from "lit-html";

/** An image of a few pixels as an address. @param rgba four bytes a pixel */
function address(rgba: Uint8ClampedArray<ArrayBuffer>, side: number): string {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  canvas.getContext("2d")!.putImageData(new ImageData(rgba, side, side), 0, 0);
  return canvas.toDataURL();
}

function coloured(rgb: ArrayLike<number>): Uint8ClampedArray<ArrayBuffer> {
  const pixels = rgb.length / 3;
  return Uint8ClampedArray.from(
    { length: 4 * pixels },
    (_, i) => i % 4 === 3 ? 255 : rgb[Math.floor(i / 4) * 3 + i % 4],
  );
}

/** Dark where nothing is, and the colour of the image where there is much. */
function shaded(rgb: ArrayLike<number>, map: ArrayLike<number>): Uint8ClampedArray<ArrayBuffer> {
  const most = Array.from(map).sort((a, b) => a - b)[Math.floor(0.98 * (map.length - 1))] || 1;
  const rgba = coloured(rgb);
  for (let p = 0; p < map.length; p++) {
    const light = 0.15 + 0.85 * Math.min(1, map[p] / most);
    for (let c = 0; c < 3; c++) rgba[4 * p + c] *= light;
  }
  return rgba;
}

/**
 * A square image.
 * @param alt what is to be seen in it
 * @param map how much each pixel counts; those that count little are darkened
 */
export function picture(
  rgb: ArrayLike<number>,
  alt: string,
  map?: ArrayLike<number>,
): TemplateResult {
  const side = Math.sqrt(rgb.length / 3);
  const source = address(map ? shaded(rgb, map) : coloured(rgb), side);
  return html`
    <img src=${source} alt=${alt} width="192" height="192" draggable="false"
      style="image-rendering: pixelated">
  `;
}
