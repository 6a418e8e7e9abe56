/// <reference lib="dom" />
/** Questions for the reader, whose answers can be checked in the chapter's figures. */

import { html, type TemplateResult } from "lit-html";
import type { Live } from "./live.ts";

export interface Question {
  readonly asks: TemplateResult;
  readonly answer: TemplateResult;
  /** Sets a figure so that it shows the answer. */
  readonly check?: Check;
}

export interface Check {
  readonly element: HTMLElement;
  show(): void;
}

/** The figure in the state that shows an answer. */
export const checkedIn = <S>(figure: Live<S>, state: Partial<S>): Check => ({
  element: figure.element,
  show: () => figure.set(state),
});

/** @param first the number of the first one: they are counted through all chapters */
export const questions = (first: number, all: readonly Question[]): TemplateResult =>
  html`
    <section class="questions" aria-labelledby="questions">
      <h2 id="questions">Questions</h2>
      <ol start=${first}>${all.map(question)}</ol>
    </section>
  `;

const question = ({ asks, answer, check }: Question) =>
  html`
    <li>
      <p>${asks}</p>
      <details><summary>Answer</summary><p>${answer}</p>${check &&
        html`<button type="button" @click=${() =>
          lead(check)}>See it in the figure</button>`}</details>
    </li>
  `;

function lead({ element, show }: Check): void {
  show();
  element.scrollIntoView({ block: "start" });
  element.tabIndex = -1;
  element.focus({ preventScroll: true });
}
