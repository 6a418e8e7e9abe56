/** What the sections are made of: tables, pictures with their numbers, lists of settings. */

import { type Content, Html, html, raw } from "./html.ts";

export interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: Html;
}

export interface Table {
  /** What the table shows; read out by a screen reader even where it isn't seen. */
  readonly caption: string;
  readonly header: readonly Content[];
  /** The first cell of a row names it. */
  readonly rows: readonly (readonly Content[])[];
  /** Whether the cells are words and not numbers. */
  readonly texts?: boolean;
}

/** A table that scrolls within its own box where it is wider than the page. */
export function table({ caption, header, rows, texts }: Table): Html {
  return html`
    <div class="scroll" role="region" aria-label="${caption}" tabindex="0">
      <table class="${texts ? "texts" : "numbers"}">
        <caption>${caption}</caption>
        <thead>
          <tr>${header.map((name) => html`<th scope="col">${name}</th>`)}</tr>
        </thead>
        <tbody>${rows.map(([name, ...cells]) =>
          html`
            <tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>
          `
        )}</tbody>
      </table>
    </div>
  `;
}

/** What is one click away. */
export const behind = (summary: string, ...content: readonly Content[]): Html =>
  html`<details><summary>${summary}</summary>${content}</details>`;

/** A picture in SVG or HTML, with its numbers one click away, unless they stand beside it. */
export function figure(picture: string | Html, caption: Content, ...numbers: Content[]): Html {
  return html`<figure>${picture instanceof Html ? picture : raw(picture)}${
    caption && html`<figcaption>${caption}</figcaption>`
  }
${numbers.length > 0 && behind("Numbers", ...numbers)}</figure>`;
}

/** Figures side by side where there is room. */
export const figures = (...of: readonly Content[]): Html => html`<div class="figures">${of}</div>`;

export const paragraph = (...content: readonly Content[]): Html => html`<p>${content}</p>`;

/** Names and what they are. */
export const facts = (of: readonly (readonly [name: string, value: Content])[]): Html =>
  html`<dl>${
    of.map(([name, value]) =>
      html`
        <div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>
      `
    )
  }</dl>`;

/** @param side its pixels on the page */
export const image = (uri: string, alt: string, side: number): Html =>
  html`<img src="${uri}" alt="${alt}" width="${side}" height="${side}" loading="lazy">`;
