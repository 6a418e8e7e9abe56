/** What a chapter is: text with figures to handle. Each has a file in chapters/. */

import type { TemplateResult } from "lit-html";

export interface Chapter {
  /** Its title and text, its figures among it, made anew whenever it is opened. */
  body(): TemplateResult;
}

/** What the contents say of a chapter, before it is loaded. */
export interface Entry {
  /** Its address: `#tensor`. */
  readonly id: string;
  readonly title: string;
  /** What one learns in it, in a sentence. */
  readonly summary: string;
  readonly load: () => Promise<{ readonly chapter: Chapter }>;
}
