/** An expression on its way to kernels: its graph at every stage, and the value of every node. */

import { html, type TemplateResult } from "lit-html";
import { BLOCKS } from "../../../../engine/gpu/kernels/target.ts";
import { type Fate, type Shown, type Stages, stagesOf } from "../../../../engine/lab/stages.ts";
import { subjectOf } from "../../../../engine/lab/subject.ts";
import { showShape } from "../../../../engine/tensor/shape.ts";
import { choice, controls, line, slider } from "../parts/controls.ts";
import { drawing, drawn } from "../parts/drawing.ts";
import { type Evaluated, evaluated } from "../parts/evaluate.ts";
import { type Live, live } from "../parts/live.ts";
import { numbers, show, showError, table } from "../parts/numbers.ts";

const STAGES = {
  written: "as it is written",
  merged: "merged: equal nodes once",
  simplified: "simplified: detours gone, sums made cheap",
  fused: "fused: which nodes have memory",
  kernels: "the kernels that run",
} as const;
type Stage = keyof typeof STAGES;

export interface StagesState {
  readonly text: string;
  /** Shapes of the inputs, such as `x=1x6x6x2, w=3x3x2x4`. */
  readonly shapes: string;
  readonly order: number;
  readonly stage: Stage;
  /** The name of the node that is pointed at. */
  readonly node: string;
}

interface Found {
  readonly stages: Stages;
  readonly nodes: readonly Shown[];
  readonly values: readonly Evaluated[];
  readonly svg: string;
}

type Asked = Omit<StagesState, "node">;

/** Elements of a node that are listed. */
const LISTED = 12;
/** Nodes beyond which a drawing shows nothing to anybody. */
const MOST = 200;

export const stagesFigure = (start: StagesState): Live<StagesState> =>
  live<StagesState, Asked, Found>({
    id: "stages",
    title: "An expression, its gradients, and what a plan makes of them",
    start,
    asks: ({ text, shapes, order, stage }) => ({ text, shapes, order, stage }),
    compute: found,
    view,
  });

async function found({ text, shapes, order, stage }: Asked): Promise<Found> {
  const given = shapes.split(",").map((part) => part.trim()).filter(Boolean);
  const stages = stagesOf(subjectOf(text, { shapes: given }), order, BLOCKS);
  const nodes: readonly Shown[] = stages[stage];
  const values = await evaluated(nodes.map(({ tensor }) => tensor));
  return { stages, nodes, values, svg: nodes.length > MOST ? "" : await drawn(nodes) };
}

function view(
  { text, shapes, order, stage, node }: StagesState,
  set: (change: Partial<StagesState>) => void,
  result?: Found,
): TemplateResult {
  return html`${
    controls(
      line("Expression", text, (text) => set({ text })),
      line("Shapes of its inputs", shapes, (shapes) => set({ shapes })),
      slider("Differentiated", order, [0, 3], (order) => set({ order })),
      choice("Stage", stage, STAGES, (stage) => set({ stage })),
    )
  }${
    result
      ? html`${legend(order, stage)}${
        result.svg
          ? drawing(result.svg, node, (node) => set({ node }))
          : html`<p>${result.nodes.length} nodes: too many to be drawn.</p>`
      }${told(result, node)}${counts(result.stages)}${
        stage === "merged" || stage === "simplified" ? fates(result.stages.fates[stage]) : ""
      }${listing(result)}`
      : html`<p role="status">Computing ..</p>`
  }`;
}

const ORDERS = ["the function", "first gradient", "second", "third"];

const legend = (order: number, stage: Stage) =>
  html`<ul class="legend">${
    ORDERS.slice(0, order + 1).map((name, k) =>
      html`<li><span class="key order-${k}"></span>${name}</li>`
    )
  }${stage === "fused" ? html`<li>dashed: no memory, computed on the way</li>` : ""}</ul>`;

/** The node that is pointed at: what it is, and its values both ways. */
function told({ nodes, values }: Found, name: string): TemplateResult {
  const at = nodes.findIndex(({ node }) => node.name === name);
  if (at < 0) {
    return html`<p role="status">Point at a node, or press it, to see its value.</p>`;
  }
  const { node, tensor } = nodes[at];
  const { exact, engine, error } = values[at];
  const is = node.results.length > 0 ? `, which is ${node.results.join(" and ")}` : "";
  const rows = [...exact.subarray(0, LISTED)].map((value, i) => [
    `${i}`,
    show(value, 6),
    engine ? show(engine[i], 6) : "no GPU",
  ]);
  const first = exact.length > LISTED ? `, the first ${LISTED} of ${exact.length} elements` : "";
  return html`
    <div role="status">
      <p><strong>${node.name}</strong> = ${node.what}(${node.operands.join(
        ", ",
      )})${is}: ${showShape(tensor.shape)}${error === undefined
        ? ""
        : html`; the GPU is off by ${showError(error)} of the largest element`}</p>
    </div>${table(`Values of ${node.name}${first}`, ["element", "float64", "GPU"], rows)}
  `;
}

const counts = ({ written, merged, simplified, fused, kernels }: Stages) => {
  const memory = fused.filter(({ node }) => node.kind !== "input" && !node.fused).length;
  const inputs = (list: readonly Shown[]) =>
    list.filter(({ node }) => node.kind === "input").length;
  const operations = (list: readonly Shown[]) => list.length - inputs(list);
  return html`<p>${operations(written)} operations are written; ${
    operations(merged)
  } are left after merging, ${
    operations(simplified)
  } after simplifying, ${memory} of them have memory, and ${kernels.length} kernels run.</p>`;
};

const WORDS: Readonly<Record<Fate["kind"], string>> = {
  stays: "stays",
  merged: "is the same as",
  rewritten: "is found as",
  constant: "is the constant",
  dropped: "is needed no more",
};

const fates = (all: readonly Fate[]) =>
  html`<details open><summary>What became of each node</summary>${
    table(
      "Nodes as they were written, and what stands for them now",
      ["node", "operation", "what became of it"],
      all.map(({ name, what, kind, by = "" }) => [name, what, `${WORDS[kind]} ${by}`.trim()]),
    )
  }</details>`;

const listing = ({ nodes, values }: Found) =>
  numbers(
    "Every node, and the largest of its elements",
    ["node", "operation", "of", "shape", "float64", "GPU", "off by"],
    nodes.map(({ node, tensor }, i) => [
      node.name,
      node.what,
      node.operands.join(", "),
      showShape(tensor.shape),
      largest(values[i].exact),
      values[i].engine ? largest(values[i].engine!) : "no GPU",
      values[i].error === undefined ? "" : showError(values[i].error!),
    ]),
  );

/** The element that is furthest from zero. */
const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((a, b) => Math.abs(b) > Math.abs(a) ? b : a, 0);
