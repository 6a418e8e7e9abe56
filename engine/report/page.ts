/** The page around the sections: one file that asks for nothing else. */

import { type Content, Html, html, raw } from "./html.ts";
import type { Section } from "./pieces.ts";
import style from "./report.css" with { type: "text" };

export interface Page {
  readonly title: string;
  readonly subtitle: Content;
  readonly sections: readonly Section[];
}

/** A whole HTML document. */
export function page({ title, subtitle, sections }: Page): string {
  const body = html`
    <body>
      <a class="skip" href="#content">Skip to the content</a>
      <header>
        <h1>${title}</h1>
        <p class="subtitle">${subtitle}</p>
        <nav aria-label="Contents">
          <ul>${sections.map(link)}</ul>
        </nav>
      </header>
      <main id="content">
    ${sections.map(section)}
      </main>
    </body>
  `;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
${html`<title>${title}</title>`}
<style>${raw(style)}</style>
</head>
${body}
</html>
`;
}

const link = ({ id, title }: Section): Html => html`<li><a href="#${id}">${title}</a></li>`;

const section = ({ id, title, content }: Section): Html =>
  html`
    <section id="${id}" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}</h2>
    ${content}
    </section>
  `;
