/** Gradients checked: the engine against float64, and that against finite differences. */

import { html, type TemplateResult } from "lit-html";
import {
  type Gradcheck,
  gradcheck,
  type Row,
  type Subject,
  titleOf,
} from "../../../../engine/lab/gradcheck.ts";
import { showShape } from "../../../../engine/tensor/shape.ts";
import { evaluator } from "../parts/evaluate.ts";
import { showError, table } from "../parts/numbers.ts";

export interface Checked extends Gradcheck {
  readonly isGpu: boolean;
}

export async function checked(subject: Subject, orders: number): Promise<Checked> {
  const { by, isGpu } = await evaluator();
  return { ...await gradcheck(by, subject, { orders, seed: 0 }), isGpu };
}

export function checkTable({ rows, isGpu, constantFrom }: Checked): TemplateResult {
  const wrong = rows.filter(({ ok }) => !ok).length;
  const engine = isGpu ? "GPU off by" : "float32 off by";
  return html`<p role="status">${
    wrong === 0
      ? html`<span class="right">All ${rows.length} are right.</span>`
      : html`<span class="wrong">${wrong} of ${rows.length} are wrong.</span>`
  } ${isGpu ? "" : "No GPU: the graph with every operation rounded to float32 stands in for it."} ${
    constantFrom === undefined ? "" : `From order ${constantFrom} on everything is zero.`
  }</p>${
    table(
      "Relative errors; differences may be off by 1e-6",
      ["gradient", "shape", engine, "allowed", "differences off by", "verdict"],
      rows.map(cells),
    )
  }`;
}

const cells = (row: Row) => [
  titleOf(row),
  showShape(row.shape),
  showError(row.engine),
  showError(row.allowed),
  row.differences === undefined ? "" : showError(row.differences),
  row.ok ? html`<span class="right">ok</span>` : html`<span class="wrong">WRONG</span>`,
];
