/** An error as the reader is told it: what was wrong, and what to do. */

import { html, type TemplateResult } from "lit-html";
import { UserError } from "../../../../engine/errors.ts";

/** A mistake of the reader's says what it is; anything else is a defect, for the console too. */
export function showProblem(error: unknown): TemplateResult {
  if (error instanceof UserError) {
    const { message, hint } = error;
    return html`<p class="problem" role="alert">${message}${hint && html`<br>${hint}`}</p>`;
  }
  console.error(error);
  return html`<p class="problem" role="alert">This is a defect of the page: ${String(error)}</p>`;
}
