/// <reference lib="dom" />
/**
 * A grid of values to point at: with the mouse, or, once it has the focus, with the arrow keys. The
 * deeper the colour, the larger the value; its hue is the sign.
 */

import { html, nothing, type TemplateResult } from "lit-html";
import { classMap } from "lit-html/directives/class-map.js";
import { show } from "./numbers.ts";

export interface Grid {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** The value in a place, counted row by row. */
  readonly at: (place: number) => number;
  /** What has the deepest colour. */
  readonly largest: number;
  readonly chosen?: number;
  readonly used?: (place: number) => boolean;
  /** A colour of its own, for what belongs together. */
  readonly kind?: (place: number) => number;
  /** Is told the place that is pointed at or pressed. */
  readonly pick?: (place: number) => void;
  /** A place is picked by pressing it, and not on the pointer's way to somewhere else. */
  readonly pressed?: boolean;
}

export function grid(of: Grid): TemplateResult {
  const { name, rows, columns, pick } = of;
  const places = (row: number) => Array.from({ length: columns }, (_, c) => row * columns + c);
  return html`
    <table class="values" role="grid" aria-label=${name} @keydown=${(e: KeyboardEvent) =>
      move(e, of)}>
      <caption>${name}</caption>
      <tbody>${Array.from(
        { length: rows },
        (_, r) =>
          html`<tr>${
            places(r).map((place) => html`<td role="gridcell">${cell(of, place, pick)}</td>`)
          }</tr>`,
      )}</tbody>
    </table>
  `;
}

function cell(of: Grid, place: number, pick?: (place: number) => void): TemplateResult {
  const { columns, at, largest, chosen, used, kind, pressed } = of;
  const value = at(place);
  const depth = largest > 0 ? Math.min(Math.abs(value) / largest, 1) * 45 : 0;
  const tint = kind ? `var(--order-${kind(place)})` : value < 0 ? "var(--minus)" : "var(--plus)";
  const classes = classMap({ chosen: place === chosen, used: used?.(place) ?? false });
  const style = `--tint:${tint};--depth:${kind ? 100 : Math.round(depth)}%`;
  const label = `row ${Math.floor(place / columns)}, column ${place % columns}: ${show(value, 3)}`;
  if (!pick) return html`<span class=${classes} style=${style}>${show(value, 3)}</span>`;
  const reachable = place === (chosen ?? 0) ? 0 : -1;
  return html`
    <button type="button" class=${classes} style=${style} tabindex=${reachable}
      aria-label=${label} aria-pressed=${place === chosen} @click=${() => pick(place)}
      @pointerenter=${pressed ? nothing : () => pick(place)}>${show(value, 3)}</button>
  `;
}

const STEPS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/** An arrow key goes to the next element, and points at it. */
function move(event: KeyboardEvent, { rows, columns, pick }: Grid): void {
  const step = STEPS[event.key];
  const table = event.currentTarget as HTMLElement;
  const buttons = [...table.querySelectorAll("button")];
  const place = buttons.indexOf(event.target as HTMLButtonElement);
  if (!step || !pick || place < 0) return;
  event.preventDefault();
  const row = Math.floor(place / columns) + step[0];
  const column = place % columns + step[1];
  if (row < 0 || row >= rows || column < 0 || column >= columns) return;
  pick(row * columns + column);
  buttons[row * columns + column].focus();
}
