/** Formulas, written in TeX and typeset by the browser as MathML. */

import { html, type TemplateResult } from "lit-html";
import { unsafeHTML } from "lit-html/directives/unsafe-html.js";
import temml from "temml";

/** In a line of text: math`\partial L / \partial x`. */
export const math = (parts: TemplateStringsArray): TemplateResult => typeset(parts, false);

/** On a line of its own. */
export const display = (parts: TemplateStringsArray): TemplateResult =>
  html`<div class="scroll" tabindex="0" role="group" aria-label="Formula">${
    typeset(parts, true)
  }</div>`;

/** TeX that is wrong is a defect of the page, so it throws. */
function typeset({ raw }: TemplateStringsArray, displayMode: boolean): TemplateResult {
  const options = { displayMode, throwOnError: true, annotate: false };
  return html`${unsafeHTML(temml.renderToString(raw.join(""), options))}`;
}
