/** What the account of the data tells that a reader should know: doubts, guesses, what is missing. */

import type { AccountNotes } from "../../data/account_schema.ts";
import { some } from "../../data/notes.ts";
import { type Content, html } from "../html.ts";
import { facts, paragraph, type Section } from "../pieces.ts";
import { count } from "../text.ts";

/** @returns undefined where there is no account, and where it tells nothing of the kind */
export function dataSection(account: AccountNotes | undefined): Section | undefined {
  if (!account) return undefined;
  const noted: (readonly [string, Content])[] = [
    ...account.warnings.map((what) => ["Warning", what] as const),
    ...account.guesses.map(({ what, settle }) =>
      ["Guessed", html`${what}; settled by <code>${settle}</code>`] as const
    ),
    ...account.left_out.map(({ why, count: n, examples }) =>
      ["Left out", `${why}: ${count(n)}, ${some(examples, examples.length, n)}`] as const
    ),
  ];
  if (noted.length === 0) return undefined;
  return {
    id: "data",
    title: "What was read",
    content: html`${paragraph(`The data are from ${account.source}. Before the run it was said:`)}${
      facts(noted)
    }`,
  };
}
