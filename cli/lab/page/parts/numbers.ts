/** Numbers: as they are written, and tables of them. */

import { html, nothing, type TemplateResult } from "lit-html";

/** A number in as few digits as one reads; no "-0". */
export const show = (value: number, digits = 4): string =>
  `${Number(value.toPrecision(digits)) + 0}`;

/** An error, in one digit's precision. */
export const showError = (error: number): string => error === 0 ? "0" : error.toExponential(1);

export type Cell = string | number | TemplateResult;

/** The first cell of a row names it. A number is shown in few digits, and `data-value` has it all. */
export function table(
  caption: string,
  header: readonly Cell[],
  rows: readonly (readonly Cell[])[],
): TemplateResult {
  const cell = (value: Cell) => typeof value === "number" ? show(value) : value;
  const td = (value: Cell) =>
    html`<td data-value=${typeof value === "number" ? value : nothing}>${cell(value)}</td>`;
  return html`
    <div class="scroll" tabindex="0" role="group" aria-label=${caption}>
      <table>
        <caption>${caption}</caption>
        <thead>
          <tr>${header.map((name) => html`<th scope="col">${cell(name)}</th>`)}</tr>
        </thead>
        <tbody>${rows.map(([name, ...cells]) =>
          html`<tr><th scope="row">${cell(name)}</th>${cells.map(td)}</tr>`
        )}</tbody>
      </table>
    </div>
  `;
}

/** A figure's numbers, one click away. */
export const numbers = (...of: Parameters<typeof table>): TemplateResult =>
  html`<details><summary>The numbers</summary>${table(...of)}</details>`;
