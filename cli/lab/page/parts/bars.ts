/** Numbers as bars with their names: logits of classes. */

import { html, type TemplateResult } from "lit-html";
import { show } from "./numbers.ts";

/** @param marked the place of the one that counts */
export function bars(
  caption: string,
  names: readonly string[],
  values: ArrayLike<number>,
  marked?: number,
): TemplateResult {
  const largest = Math.max(1e-12, ...Array.from(values, Math.abs));
  const row = (name: string, i: number) => {
    const share = 50 * Math.abs(values[i]) / largest;
    const [from, colour] = values[i] < 0 ? [50 - share, "--minus"] : [50, "--plus"];
    const bar = `margin-left: ${from}%; width: ${share}%; background: var(${colour}); ` +
      "height: 0.7em; min-width: 1px";
    return html`
      <tr>
        <th scope="row">${i === marked ? html`<strong>${name}</strong>` : name}</th>
        <td data-value=${values[i]}>${show(values[i], 3)}</td>
        <td style="width: 8rem">
          <div style=${bar}></div>
        </td>
      </tr>
    `;
  };
  return html`
    <table>
      <caption>${caption}</caption>
      <thead class="quiet">
        <tr>
          <th scope="col">class</th>
          <th scope="col">logit</th>
          <th scope="col">drawn</th>
        </tr>
      </thead>
      <tbody>${names.map(row)}</tbody>
    </table>
  `;
}
