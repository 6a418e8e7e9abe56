/** Lists of nodes (graph.ts) in Graphviz' language, which is drawn from there. */

import { instance } from "@viz-js/viz";
import { showShape } from "../tensor/shape.ts";
import type { GraphNode } from "./graph.ts";

/** Fills by order of differentiation: forward, gradient, second, and what is beyond. */
const FILLS = ["#dbeafe", "#fef3c7", "#fce7f3", "#dcfce7"];

/**
 * @param orders nodes, each order's in a colour of its own. What is drawn of one is titled `b` with
 *   its place among all of them, so that a page finds it.
 */
export function dotOf(orders: readonly (readonly GraphNode[])[]): string {
  const listed = orders.flat();
  // A kernel that writes several values is one box.
  const boxes = new Map(listed.flatMap(({ name }, i) => name.split(" ").map((n) => [n, `b${i}`])));
  const numbers = new Map(listed.map((node, i) => [node, `b${i}`]));
  const extra = new Set(listed.flatMap(({ operands }) => operands).filter((n) => !boxes.has(n)));
  for (const name of extra) boxes.set(name, `leaf ${name}`);
  const lines = [
    ...[...extra].map((name) => `${quoted(`leaf ${name}`)} [label=${quoted(name)}, shape=ellipse]`),
    ...orders.flatMap((nodes, k) =>
      nodes.map((node) => {
        const shape = node.kind === "input" ? "ellipse" : "box";
        const fill = FILLS[Math.min(k, FILLS.length - 1)];
        const style = node.fused ? ', style="filled,dashed"' : "";
        return `${numbers.get(node)} [label=${quoted(label(node))}, shape=${shape}${style}, ` +
          `fillcolor="${fill}", tooltip=${quoted(node.layer || node.name)}]`;
      })
    ),
    ...listed.flatMap((node) =>
      node.operands.map((operand) => `${quoted(boxes.get(operand)!)} -> ${numbers.get(node)}`)
    ),
  ];
  return [
    "digraph {",
    'graph [bgcolor="white"]',
    'node [style="filled", fillcolor="#f3f4f6", fontname="Helvetica,sans-serif", ' +
    'fontsize=11, margin="0.25,0.06"]',
    "edge [arrowsize=0.6]",
    ...lines,
    "}",
  ].join("\n") + "\n";
}

/** The drawing, as SVG. */
export async function svgOf(orders: readonly (readonly GraphNode[])[]): Promise<string> {
  return (await instance()).renderString(dotOf(orders), { format: "svg" });
}

/** "n3  conv2d", its shape, and what it is of the whole. */
function label({ name, kind, what, shape, results }: GraphNode): string {
  const title = kind === "input" ? name : `${name}  ${what}`;
  return [title, showShape(shape), ...results].join("\n");
}

const quoted = (text: string): string =>
  `"${text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`;
