/// <reference lib="dom" />
/** What the reader's hand moves. Each has a label that says what it is, for eyes and screen readers. */

import { html, type TemplateResult } from "lit-html";
import { live as asShown } from "lit-html/directives/live.js";

export function slider(
  label: string,
  value: number,
  [min, max]: readonly [number, number],
  set: (value: number) => void,
): TemplateResult {
  const input = ({ target }: Event) => set((target as HTMLInputElement).valueAsNumber);
  return html`<label class="control">${label}
    <input type="range" min=${min} max=${max} .value=${asShown(`${value}`)} @input=${input}>
    <output>${value}</output></label>`;
}

export function checkbox(
  label: string,
  checked: boolean,
  set: (checked: boolean) => void,
): TemplateResult {
  const change = ({ target }: Event) => set((target as HTMLInputElement).checked);
  return html`<label class="control">
    <input type="checkbox" .checked=${asShown(checked)} @change=${change}> ${label}</label>`;
}

/** @param choices names by value */
export function choice<V extends string>(
  label: string,
  value: V,
  choices: Readonly<Record<V, string>>,
  set: (value: V) => void,
): TemplateResult {
  const change = ({ target }: Event) => set((target as HTMLSelectElement).value as V);
  return html`<label class="control">${label}
    <select @change=${change}>${
    (Object.entries(choices) as [V, string][]).map(([key, name]) =>
      html`<option value=${key} .selected=${asShown(key === value)}>${name}</option>`
    )
  }</select></label>`;
}

/** A line to type in: an expression, a shape. What is typed counts at Enter, or when it is left. */
export function line(label: string, value: string, set: (value: string) => void): TemplateResult {
  const change = ({ target }: Event) => set((target as HTMLInputElement).value);
  return html`<label class="control line">${label}
    <input type="text" spellcheck="false" autocapitalize="off" autocomplete="off"
      .value=${asShown(value)} @change=${change}></label>`;
}

export const button = (label: string, press: () => void): TemplateResult =>
  html`<button type="button" @click=${press}>${label}</button>`;

export const controls = (...parts: readonly unknown[]): TemplateResult =>
  html`<div class="controls">${parts}</div>`;
