/**
 * Pictures as SVG text, to stand in a file or inside of a page. Colours follow the reader's light
 * or dark scheme, and every picture has a title and a description for screen readers.
 */

import { printableLines } from "../printable.ts";

/**
 * Colours that stay apart for the colour-blind, after Okabe and Ito (2008), on light paper and on
 * dark: each has a contrast of 3 to 1 or more.
 */
const COLOURS = [
  ["#0072b2", "#5aaee8"],
  ["#b06500", "#f0b040"],
  ["#007f5c", "#35c79a"],
  ["#b04f86", "#e29bc4"],
  ["#c04a00", "#ff8a4c"],
  ["#2a83b5", "#7cc8f2"],
  ["#7a6e00", "#cfc14a"],
  ["#6b6b6b", "#a6a6a6"],
] as const;

/** The class whose colour an element takes as its `currentColor`. */
export const colourClass = (i: number): string => `md-c${i % COLOURS.length}`;

/** Line patterns, so that colour is not the only difference. */
export const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4", "6 2 2 2"];

const colours = (scheme: 0 | 1) =>
  COLOURS.map((of, i) => `.${colourClass(i)}{color:${of[scheme]}}`).join("");

const STYLE = ".md-plot{color:#222;font:12px system-ui,sans-serif}" +
  ".md-plot text{fill:currentColor}.md-plot .md-grid{stroke:currentColor;stroke-opacity:.15}" +
  ".md-plot .md-reference{stroke:currentColor;stroke-opacity:.6;stroke-dasharray:2 3}" +
  colours(0) + `@media(prefers-color-scheme:dark){.md-plot{color:#ddd}${colours(1)}}`;

export interface Picture {
  readonly title: string;
  /** What there is to see, in a sentence, for those who can't. */
  readonly description: string;
}

/** An SVG document of a size in pixels; in a page it shrinks with its column. */
export function svg(
  { title, description }: Picture,
  width: number,
  height: number,
  content: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="md-plot" role="img" ` +
    `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `style="max-width:100%;height:auto">`,
    `<title>${escape(title)}</title><desc>${escape(description)}</desc><style>${STYLE}</style>`,
    text(title, 8, 18, { size: 14, weight: "bold" }),
    ...content,
    "</svg>\n",
  ].join("\n");
}

export interface TextOptions {
  readonly anchor?: "start" | "middle" | "end";
  readonly size?: number;
  readonly weight?: "bold";
  /** Degrees, clockwise about the place. */
  readonly turn?: number;
}

export function text(content: string, x: number, y: number, options: TextOptions = {}): string {
  const { anchor = "start", size, weight, turn } = options;
  const attributes = [
    `x="${number(x)}" y="${number(y)}"`,
    anchor !== "start" && `text-anchor="${anchor}"`,
    size && `font-size="${size}"`,
    weight && `font-weight="${weight}"`,
    turn && `transform="rotate(${turn} ${number(x)} ${number(y)})"`,
  ].filter(Boolean);
  return `<text ${attributes.join(" ")}>${escape(content)}</text>`;
}

/** A number in as few digits as a pixel's hundredth needs. */
export const number = (value: number): string => String(Math.round(100 * value) / 100);

export function escape(content: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return printableLines(content).replace(/[&<>"]/g, (character) => entities[character]);
}

/** A text's width in pixels, roughly: to leave room for it. */
export const widthOf = (content: string, size = 12): number => 0.58 * size * content.length;
