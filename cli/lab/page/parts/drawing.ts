/// <reference lib="dom" />
/** A graph drawn: every node can be pointed at, or reached by the tab key and pressed. */

import { html, type TemplateResult } from "lit-html";
import { unsafeHTML } from "lit-html/directives/unsafe-html.js";
import type { Shown } from "../../../../engine/lab/stages.ts";

/** The drawing as SVG. Graphviz is large, and is loaded when the first graph is drawn. */
export async function drawn(nodes: readonly Shown[]): Promise<string> {
  const { svgOf } = await import("../../../../engine/lab/dot.ts");
  const orders = [0, 1, 2, 3].map((k) => nodes.filter(({ order }) => Math.min(order, 3) === k));
  return annotated(await svgOf(orders.map((list) => list.map(({ node }) => node))), orders.flat());
}

/** Graphviz titles a node's group `b3`; the reader's tools want a button, named by its text. */
function annotated(svg: string, nodes: readonly Shown[]): string {
  const document = new DOMParser().parseFromString(svg, "image/svg+xml");
  const root = document.documentElement;
  root.querySelector(":scope > g > title")?.remove();
  root.setAttribute("aria-label", `A graph of ${nodes.length} nodes`);
  root.setAttribute("role", "group");
  for (const group of root.querySelectorAll("g.node")) {
    const title = group.querySelector("title")!;
    const shown = nodes[Number(/^b(\d+)$/.exec(title.textContent!)?.[1])];
    title.remove();
    if (!shown) continue;
    group.setAttribute("role", "button");
    group.setAttribute("tabindex", "0");
    group.setAttribute("data-node", shown.node.name);
  }
  for (const title of root.querySelectorAll("g.edge > title")) title.remove();
  for (const link of root.querySelectorAll("a")) link.replaceWith(...link.childNodes);
  return root.outerHTML;
}

/** @param point is told the name of the node that is pointed at */
export function drawing(
  svg: string,
  chosen: string,
  point: (name: string) => void,
): TemplateResult {
  const pointed = ({ target }: Event) => {
    const name = (target as Element).closest<SVGElement>("[data-node]")?.dataset.node;
    if (name !== undefined && name !== chosen) point(name);
  };
  const mark = html`<style>.drawing [data-node="${chosen}"] :is(polygon, ellipse) {
    stroke-width: 3;
  }</style>`;
  return html`
    <div class="drawing scroll" @pointerover=${pointed} @click=${pointed}
      @focusin=${pointed}>${unsafeHTML(svg)}</div>${mark}
  `;
}
