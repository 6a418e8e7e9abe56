/// <reference lib="dom" />
/** A step's kernels side by side: a number of each, and what lies in which buffer while they run. */

import { html, svg, type TemplateResult } from "lit-html";
import type { Machine, Part, Value } from "../../../../engine/lab/machine.ts";

/** How often what a kernel computes has been differentiated. */
export const ORDERS = ["forward", "gradient", "second derivative"];
/** Their colours, which stand out as bars on light and dark. */
export const BARS = ["var(--plus)", "light-dark(#b06500, #f0b040)", "light-dark(#b04f86, #e29bc4)"];

const colourOf = ({ order }: Part) => BARS[Math.min(2, order)];

/** The kernel that is looked at. */
const mark = (chosen: number) =>
  svg`
    <rect x=${chosen} y="0" width="1" height="100" fill="none" stroke="var(--mark)"
      stroke-width="2" vector-effect="non-scaling-stroke"></rect>
  `;

/** A bar for each kernel in the colour of its order, the one that is looked at marked. */
export function timeline(
  what: string,
  parts: readonly Part[],
  values: readonly number[],
  most: string,
  chosen: number,
): TemplateResult {
  const highest = Math.max(...values, 1e-9);
  return html`
    <p>${what}, at most ${most}</p>
    <svg role="img" viewBox="0 0 ${parts.length} 100" preserveAspectRatio="none"
      style="display: block; width: 100%; height: 6rem"
      aria-label="${what} of each of ${parts.length} kernels, at most ${most}">
      ${values.map((value, i) => {
        const height = 100 * value / highest;
        return svg`
          <rect x=${i} y=${100 - height} width="1" height=${height}
            style="fill: ${colourOf(parts[i])}"></rect>
        `;
      })}
      ${mark(chosen)}
    </svg>
  `;
}

/**
 * The buffers, one below the other and as high as they are large, and in each the values that lie there
 * one after the other, in the colours of the kernels that write them.
 */
export function lifelines(
  { parts, values, buffers }: Machine,
  total: string,
  chosen: number,
): TemplateResult {
  const all = buffers.reduce((sum, bytes) => sum + bytes, 0);
  const share = (bytes: number) => 100 * bytes / Math.max(1, all);
  const tops = buffers.map((_, k) => share(buffers.slice(0, k).reduce((sum, b) => sum + b, 0)));
  const block = ({ bytes, from, to, buffer }: Value) =>
    svg`
      <rect x=${from} y=${tops[buffer]} width=${to - from + 1} height=${share(bytes)}
        stroke="var(--paper)" vector-effect="non-scaling-stroke"
        style="fill: ${colourOf(parts[from])}"></rect>
    `;
  const what = `${values.length} values in ${buffers.length} buffers of ${total}`;
  return html`
    <p>${what}, each from the kernel that writes it to the last that reads it</p>
    <svg role="img" viewBox="0 0 ${parts.length} 100" preserveAspectRatio="none"
      style="display: block; width: 100%; height: 14rem; background: var(--panel)"
      aria-label=${what}>
      ${values.map(block)}${mark(chosen)}
    </svg>
  `;
}
