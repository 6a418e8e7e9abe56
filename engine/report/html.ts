/**
 * HTML as a tagged template: whatever is put into it is escaped, unless it is HTML of this kind.
 *
 *     html`<p>${text}</p>`
 *
 * Lists are joined; undefined, null and false are nothing. Attributes stand in double quotes.
 */

import { escape } from "./svg.ts";

export class Html {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

export type Content = Html | string | number | undefined | null | false | readonly Content[];

export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(parts.map((part, i) => (i > 0 ? write(values[i - 1]) : "") + part).join(""));
}

/** Text that is HTML already, such as a picture in SVG. */
export const raw = (text: string): Html => new Html(text);

function write(value: Content): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(write).join("");
  if (value === undefined || value === null || value === false) return "";
  return escape(String(value));
}
