/** Shows a graph, its gradients and the plan that computes them, as text and as drawings. */

import { join } from "node:path";
import { namedTargets, type Target, targetFor } from "../engine/gpu/kernels/target.ts";
import { makeFolder, writeFileAtomic } from "../engine/io/files.ts";
import { svgOf } from "../engine/lab/dot.ts";
import { type GraphNode, type Graphs, graphsOf, type PlanNode } from "../engine/lab/graph.ts";
import { WIDTH, wrap } from "../engine/prose.ts";
import { showShape } from "../engine/tensor/shape.ts";
import { defineCommand } from "./framework/command.ts";
import { flagTable } from "./framework/flags.ts";
import { table, WIDE } from "./framework/table.ts";
import { openSubject, subjectFlags, whatFlag } from "./lab/subject.ts";

const targets: Readonly<Record<string, Target>> = namedTargets;

const flags = flagTable({
  ...whatFlag,
  ...subjectFlags("what", { size: 16, batch: 2 }),
  order: { type: "integer", min: 0, max: 6, default: 1, help: "how often it is differentiated" },
  target: {
    type: "choice",
    choices: ["adapter", ...Object.keys(targets)],
    default: "adapter",
    help: "plan for the adapter, for any device, or for GPUs (then no adapter is asked)",
  },
  svg: {
    type: "string",
    value: "DIR",
    help: "draw graph.svg and plan.svg there",
    writes: { what: "folder" },
  },
  json: { type: "boolean", help: "print JSON" },
});

export const command = defineCommand({
  name: "graph",
  summary: "Show a graph, its gradients and the plan that computes them",
  description:
    "Lists the nodes of an expression or of a classifier's loss, then those that its gradients add, " +
    "and the kernels that compute value and gradients together: what was merged, fused and left out " +
    "is seen there. The second gradient is that of the sum of the first ones' elements, and so on.",
  flags,
  examples: [
    { args: '"sum(x * sigmoid(x))" --order 2', does: "SiLU, its gradient and that one's" },
    {
      args: '"relu(conv2d(x, w))" --shapes x=1x6x6x4,w=3x3x4x8 --svg out',
      does: "drawn to out/graph.svg and out/plan.svg",
    },
    { args: "small --order 2 --target gpu", does: "a network's kernels on a GPU" },
  ],
  async run(args, context) {
    const subject = await openSubject(args);
    const target = targets[args.target] ?? targetFor(await context.gpu());
    const graphs = graphsOf(subject, args.order, target);
    context.print(args.json ? JSON.stringify(graphs, null, 2) : describe(graphs));
    if (args.svg === undefined) return;
    await makeFolder(args.svg);
    const files = { "graph.svg": graphs.orders, "plan.svg": [graphs.plan] };
    for (const [name, orders] of Object.entries(files)) {
      await writeFileAtomic(join(args.svg, name), await svgOf(orders));
    }
    if (!args.json) {
      const paths = Object.keys(files).map((name) => join(args.svg!, name));
      context.print(wrap(`\nwritten to ${paths.join(", ")}`));
    }
  },
});

const TITLES = ["value", "gradient", "gradient of the gradient"];

function describe({ orders, plan, memory }: Graphs): string {
  const title = (k: number) => TITLES[k] ?? `gradient of order ${k}`;
  return [
    ...orders.map((nodes, k) =>
      nodes.length > 0
        ? `${title(k)}\n\n${nodeTable(nodes)}`
        : `${title(k)}\n\nadds nothing: it is constant`
    ),
    `plan: ${plan.length} kernels, ${kib(memory.values.bytes)} of values (without reuse ` +
    `${kib(memory.values.withoutReuse)})\n\n${planTable(plan)}`,
  ].join("\n\n");
}

function nodeTable(nodes: readonly GraphNode[]): string {
  const rows = nodes.map(({ name, what, shape, operands, layer, results }) => [
    name,
    what,
    showShape(shape),
    operands.join(", "),
    results.join(", "),
    layer,
  ]);
  return shown(["node", "operation", "shape", "of", "is", "layer"], rows, WIDTH);
}

function planTable(nodes: readonly PlanNode[]): string {
  const rows = nodes.map(({ name, what, operands, results, workgroups, flops, bytes, layer }) => [
    name,
    operands.join(", "),
    `${workgroups}`,
    `${flops}`,
    `${bytes}`,
    results.join(", "),
    layer,
    what,
  ]);
  return shown(
    ["writes", "reads", "workgroups", "flop", "bytes", "is", "layer", "kernel"],
    rows,
    WIDE,
  );
}

/** Without the columns that say nothing. */
function shown(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  width: number,
): string {
  const said = header.map((_, j) => j).filter((j) => rows.some((row) => row[j] !== ""));
  const kept = (cells: readonly string[]) => said.map((j) => cells[j]);
  return table(kept(header), rows.map(kept), { width });
}

const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;
