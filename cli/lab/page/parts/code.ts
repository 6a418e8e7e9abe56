/** Code that runs, as it stands in its file. */

import { html, type TemplateResult } from "lit-html";

export function code(text: string, name: string): TemplateResult {
  return html`
    <div class="code" tabindex="0" role="group" aria-label=${name}>
      <p>${name}</p>
      <pre><code>${text.trim()}</code></pre>
    </div>
  `;
}

/**
 * The part of a file from the line that begins with `from` to the first that is `to`, so that the
 * page shows what runs and not what once did.
 * @throws Error where the file has no such part: the chapter is to follow it
 */
export function excerpt(source: string, from: string, to: string): string {
  const lines = source.split("\n");
  const start = lines.findIndex((line) => line.startsWith(from));
  const end = lines.indexOf(to, start);
  if (start < 0 || end < 0) throw new Error(`no part from "${from}" to "${to}"`);
  const indent = /^ */.exec(lines[start])![0].length;
  return lines.slice(start, end + 1).map((line) => line.slice(indent)).join("\n");
}
