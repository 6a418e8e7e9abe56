/// <reference lib="dom" />
/**
 * A figure that can be handled: a state, what has to be waited for, and a drawing of both. The
 * reader's hand changes the state, and the figure is drawn anew from it; nothing else is kept.
 *
 *     const faces = live({
 *       id: "faces",
 *       title: "Three faces",
 *       start: { stride: 1 },
 *       asks: ({ stride }) => stride,                 // what the computation depends on
 *       compute: (stride) => onTheGpu(stride),        // asked for anew when that changes
 *       view: ({ stride }, set, result) => html`..`,  // result is undefined while it is computed
 *     });
 *     html`<p>Text.</p>${faces.element}`
 */

import { html, render, type TemplateResult } from "lit-html";
import { showProblem } from "./problem.ts";

export interface Figure<S, A, R> {
  /** Its address in the page, `#chapter/id`. */
  readonly id: string;
  readonly title: string;
  readonly start: S;
  /** What of the state the computation depends on, as JSON knows it. */
  readonly asks?: (state: S) => A;
  readonly compute?: (asked: A) => Promise<R>;
  readonly view: (state: S, set: (change: Partial<S>) => void, result?: R) => TemplateResult;
}

export interface Live<S> {
  /** To be put into the chapter's text. `data-state` is computing, ready or failed. */
  readonly element: HTMLElement;
  /** What is seen as if the reader had done it. */
  set(change: Partial<S>): void;
}

export function live<S extends object, A = undefined, R = undefined>(
  { id, title, start, asks, compute, view }: Figure<S, A, R>,
): Live<S> {
  const element = document.createElement("figure");
  element.id = id;
  let state = start;
  let key: string | undefined;
  let result: { readonly value?: R; readonly error?: unknown } | undefined;

  function set(change: Partial<S>): void {
    state = { ...state, ...change };
    draw();
  }

  function draw(): void {
    let [content, failed]: [TemplateResult | undefined, boolean] = [undefined, false];
    try {
      ask();
      content = view(state, set, result?.value);
    } catch (error) {
      [content, failed] = [showProblem(error), true];
    }
    const problem = result?.error === undefined ? undefined : showProblem(result.error);
    element.dataset.state = failed || problem ? "failed" : result ? "ready" : "computing";
    render(
      html`<figcaption>${title}</figcaption>${content}${problem}`,
      element,
    );
  }

  /** Has the result computed if what it depends on has changed; a late answer to an old question is dropped. */
  function ask(): void {
    if (!compute) {
      result = {};
      return;
    }
    const asked = asks!(state);
    const now = JSON.stringify(asked);
    if (now === key) return;
    [key, result] = [now, undefined];
    const take = (found: NonNullable<typeof result>) => {
      if (now !== key) return;
      result = found;
      draw();
    };
    compute(asked).then((value) => take({ value }), (error) => take({ error }));
  }

  draw();
  return { element, set };
}
