/** Where eight threads' vec4s lie in the banks of workgroup memory. */

import { html, svg } from "lit-html";
import {
  groupOf,
  GROUPS,
  type Layout,
  LAYOUTS,
  ROW,
  weightCycles,
} from "../../../../engine/lab/ladder_banks.ts";
import { choice, controls, slider } from "../parts/controls.ts";
import { type Live, live } from "../parts/live.ts";
import { numbers } from "../parts/numbers.ts";

const NAMES = {
  double_buffer: "rows of 16 (rungs 4, 5)",
  bank_padding: "rows of 17 (rung 6)",
  swizzle: "swizzled (rung 7)",
} as const;

export interface BanksState {
  readonly layout: keyof typeof NAMES;
  /** Which element of its row each thread reads. */
  readonly at: number;
}

const [CELL, LEFT, TOP] = [32, 58, 40];

export const banksFigure = (start: BanksState): Live<BanksState> =>
  live<BanksState>({
    id: "banks",
    title: "Eight threads read, each from a row of its own",
    start,
    view: ({ layout, at }, set) => {
      const cycles = weightCycles(LAYOUTS[layout], at);
      return html`
        ${controls(
          choice("Layout", layout, NAMES, (layout) => set({ layout })),
          slider("Element that all read", at, [0, ROW - 1], (at) => set({ at })),
        )}
        <div class="scroll" tabindex="0" role="group" aria-label="Banks">${picture(
          LAYOUTS[layout],
          at,
        )}</div>
        <p role="status">
          Element ${at} of eight rows: <strong>${cycles} ${cycles === 1
            ? "cycle"
            : "cycles"}</strong>.
        </p>
        ${numbers(
          "Thread by thread",
          ["thread", "vec4 of the memory", "group of banks"],
          threads.map((thread) => {
            const vector = LAYOUTS[layout](thread, at);
            return [`${thread}`, `${vector}`, `${groupOf(vector)}`];
          }),
        )}
      `;
    },
  });

const threads = Array.from({ length: GROUPS }, (_, thread) => thread);

/** A line for each thread: its element's group of banks marked, with every element that lies there. */
function picture(layout: Layout, at: number) {
  const held = (thread: number, group: number) =>
    Array.from({ length: ROW }, (_, i) => i).filter((i) => groupOf(layout(thread, i)) === group);
  const cell = (thread: number, group: number) => {
    const read = groupOf(layout(thread, at)) === group;
    const [x, y] = [LEFT + CELL * group, TOP + CELL * thread];
    return svg`
      <rect x=${x} y=${y} width=${CELL} height=${CELL} stroke="var(--rule)"
        fill=${read ? "var(--order-1)" : "none"}></rect>
      <text x=${x + CELL / 2} y=${y + 21} text-anchor="middle" font-size="10"
        font-weight=${read ? "bold" : "normal"}>${held(thread, group).join(", ")}</text>
    `;
  };
  return html`
    <svg role="img" width=${LEFT + 8 * CELL + 2} height=${TOP + 8 * CELL + 2} fill="var(--ink)"
      aria-label="The group of banks that each thread reads, marked">
      ${svg`<text x=${LEFT} y="14" font-size="12">group of four banks, and the elements in it</text>`}
      ${threads.map((group) =>
        svg`<text x=${
          LEFT + CELL * (group + 0.5)
        } y="32" text-anchor="middle" font-size="12">${group}</text>`
      )}
      ${threads.map((thread) =>
        svg`
          <text x="0" y=${TOP + CELL * thread + 21} font-size="12">thread ${thread}</text>
          ${threads.map((group) => cell(thread, group))}
        `
      )}
    </svg>
  `;
}
