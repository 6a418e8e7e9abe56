/** A block of a product of matrices: what it loads for what it computes. */

import { html, svg } from "lit-html";
import { choice, controls } from "../parts/controls.ts";
import { type Live, live } from "../parts/live.ts";
import { numbers, show } from "../parts/numbers.ts";

export interface BlockState {
  readonly height: number;
  readonly width: number;
}

const SIDES = [1, 2, 4, 8, 16, 32, 64, 128] as const;
const CHOICES = Object.fromEntries(SIDES.map((side) => [`${side}`, `${side}`]));
/** Pixels of the drawing for a side. */
const drawn = (side: number) => 14 + 22 * Math.log2(side);

/** Bytes that a block loads for each of its multiply-adds. */
export const bytesOf = ({ height, width }: BlockState): number => 4 * (1 / height + 1 / width);

/** Multiply-adds that a GPU of 60 TFLOP/s and 4 TB/s does in the time of a byte. */
const BALANCE = 7.5;

export const blockFigure = (start: BlockState): Live<BlockState> =>
  live<BlockState>({
    id: "block",
    title: "A block of the result, and what it is made of",
    start,
    view: ({ height, width }, set) => {
      const bytes = bytesOf({ height, width });
      const sums = height * width;
      const [h, w] = [drawn(height), drawn(width)];
      return html`
        ${controls(
          choice("Pixels", `${height}`, CHOICES, (side) => set({ height: Number(side) })),
          choice("Output channels", `${width}`, CHOICES, (side) => set({ width: Number(side) })),
        )}
        <div class="scroll">
          <svg role="img" width="330" height="240" viewBox="0 0 330 240"
            aria-label="${height} pixels and ${width} weights make ${sums} sums">
            ${svg`
              <g fill="var(--order-1)" stroke="var(--edge)">
                <rect x="0" y="50" width="40" height=${h}></rect>
                <rect x="110" y="0" width=${w} height="40"></rect>
              </g>
              <rect x="110" y="50" width=${w} height=${h} fill="var(--order-0)"
                stroke="var(--edge)"></rect>
              <g fill="var(--ink)" font-size="13">
                <text x="46" y=${56 + h / 2}>pixels</text>
                <text x=${118 + w} y="25">weights</text>
                <text x=${118 + w} y=${56 + h / 2}>sums</text>
              </g>
            `}
          </svg>
        </div>
        <p role="status">
          ${height} + ${width} numbers, ${4 * (height + width)} bytes, for ${sums}
          multiply-add${sums === 1 ? "" : "s"}:
          <strong>${show(
            bytes,
          )} bytes each</strong>. A GPU that does ${BALANCE} multiply-adds in the
          time of a byte ${bytes * BALANCE > 1
            ? html`would wait for memory ${show(bytes * BALANCE, 2)} times as long as it computes.`
            : html`computes ${show(1 / (bytes * BALANCE), 2)} times as long as memory takes.`}
        </p>
        ${numbers(
          "Bytes a multiply-add, by the block's sides",
          ["pixels \\ channels", ...SIDES.map(String)],
          SIDES.map((side) => [
            `${side}`,
            ...SIDES.map((other) => bytesOf({ height: side, width: other })),
          ]),
        )}
      `;
    },
  });
