/**
 * A derivative written by hand, whose terms can be dropped one by one: what is dropped is held
 * constant, and gradcheck tells whether the gradient that is left is one of the function.
 */

import { html, type TemplateResult } from "lit-html";
import type { Subject } from "../../../../engine/lab/gradcheck.ts";
import { checkbox, controls, slider } from "../parts/controls.ts";
import { type Live, live } from "../parts/live.ts";
import { type Checked, checked, checkTable } from "./check.ts";

export interface TermsState<Term extends string> {
  /** Those that are left out. */
  readonly dropped: readonly Term[];
  readonly orders: number;
}

export interface Terms<Term extends string> {
  readonly id: string;
  readonly title: string;
  /** What each is, by its name. */
  readonly terms: Readonly<Record<Term, string>>;
  readonly orders: number;
  /** The function, with these terms held constant to differentiation. */
  readonly subject: (dropped: readonly Term[]) => Subject;
}

export const termsFigure = <Term extends string>(
  { id, title, terms, orders, subject }: Terms<Term>,
): Live<TermsState<Term>> =>
  live<TermsState<Term>, TermsState<Term>, Checked>({
    ...{ id, title, start: { dropped: [], orders } },
    asks: (state) => state,
    compute: ({ dropped, orders }) => checked(subject(dropped), orders),
    view: ({ dropped, orders }, set, result): TemplateResult => {
      const toggle = (term: Term, kept: boolean) => {
        set({ dropped: kept ? dropped.filter((other) => other !== term) : [...dropped, term] });
      };
      const boxes = (Object.entries(terms) as [Term, string][]).map(([term, label]) =>
        checkbox(label, !dropped.includes(term), (kept) => toggle(term, kept))
      );
      return html`${
        controls(boxes, slider("Orders", orders, [1, 3], (orders) => set({ orders })))
      }${result ? checkTable(result) : html`<p role="status">Computing ..</p>`}`;
    },
  });
