/** The same three numbers added in other orders, in float32. */

import { html } from "lit-html";
import { choice, controls } from "../parts/controls.ts";
import { type Live, live } from "../parts/live.ts";
import { show, table } from "../parts/numbers.ts";

const ORDERS = {
  forward: "as they are numbered",
  backward: "the last one first",
  middle: "the second one first",
} as const;

export interface OrderState {
  readonly order: keyof typeof ORDERS;
}

/** What three workgroups have found. */
const PARTS = [1, 1e8, -1e8];
const TURNS: Readonly<Record<OrderState["order"], readonly number[]>> = {
  forward: [0, 1, 2],
  backward: [2, 1, 0],
  middle: [1, 0, 2],
};

/** The sums after each addition, each rounded to float32. */
export function running(order: OrderState["order"]): number[] {
  let sum = 0;
  return TURNS[order].map((part) => sum = Math.fround(sum + PARTS[part]));
}

export const orderFigure = (start: OrderState): Live<OrderState> =>
  live<OrderState>({
    id: "order",
    title: "Three parts of a sum",
    start,
    view: ({ order }, set) => {
      const sums = running(order);
      return html`
        ${controls(choice("Workgroups end", order, ORDERS, (order) => set({ order })))}
        ${table(
          "Each addition rounds to 24 bits",
          ["part", "adds", "sum in float32"],
          TURNS[order].map((part, i) => [
            `${part}`,
            show(PARTS[part], 9),
            show(sums[i], 9),
          ]),
        )}
        <p role="status">The sum is <strong>${show(
          sums[2],
          9,
        )}</strong>; in real numbers it is 1.</p>
      `;
    },
  });
