/** A profile as a page: the roofline with every kernel, then operations, layers and kernels. */

import type { Roofline } from "../gpu/roofline.ts";
import type { LayerRow, Row } from "../profile/report.ts";
import { html } from "./html.ts";
import { page } from "./page.ts";
import { behind, facts, figure, type Section, table } from "./pieces.ts";
import { rooflinePlot } from "./roofline_plot.ts";
import { decimal, percent } from "./text.ts";

/** What is shown of a profile; times in milliseconds. */
export interface ProfilePage {
  /** The network and the step. */
  readonly title: string;
  /** Of what it is, by name. */
  readonly about: readonly (readonly [name: string, value: string])[];
  readonly roofline: Roofline;
  readonly operations: readonly Row[];
  readonly layers: readonly LayerRow[];
  readonly kernels: readonly Row[];
}

/** The whole HTML file. */
export function profilePage(profile: ProfilePage): string {
  const { title, about, roofline, operations, layers, kernels } = profile;
  const { gflops, gbPerSecond } = roofline;
  return page({
    title: `Profile of ${title}`,
    subtitle: `A roof of ${decimal(gflops, 1)} GFLOP/s and ${decimal(gbPerSecond, 1)} GB/s`,
    sections: [
      {
        id: "roofline",
        title: "Roofline",
        content: html`
          ${facts(about)}
          ${figure(
            rooflinePlot(`${title}: kernels under the roofline`, roofline, kernels),
            "Each dot is a kernel; the larger it is, the more of the time it takes. What lies far " +
              "below the roof could be faster; what reaches the slope wants fewer bytes.",
            rows("Every kernel", "kernel", kernels),
          )}
        `,
      },
      section("operations", "Operations", rows("Time by operation", "operation", operations)),
      section("layers", "Layers", layerTable(layers)),
      section("kernels", "Kernels", behind("Every kernel", rows("By time", "kernel", kernels))),
    ],
  });
}

const section = (id: string, title: string, content: Section["content"]): Section => ({
  ...{ id, title, content },
});

const HEADER = ["calls", "ms", "share", "GFLOP/s", "GB/s", "of the roof", "bound by"];

const cells = ({ calls, ms, share, gflops, gbPerSecond, roofline, bound }: Row) => [
  calls,
  decimal(ms, 2),
  percent(share),
  decimal(gflops, 1),
  decimal(gbPerSecond, 2),
  percent(roofline),
  bound,
];

const rows = (caption: string, name: string, of: readonly Row[]) =>
  table({ caption, header: [name, ...HEADER], rows: of.map((row) => [row.name, ...cells(row)]) });

function layerTable(layers: readonly LayerRow[]) {
  return table({
    caption: "Time by layer, told apart by how often it was differentiated",
    header: ["layer", "forward ms", "gradient ms", "second ms", ...HEADER],
    rows: layers.map((row) => [
      row.name,
      ...row.byOrder.map((ms) => decimal(ms, 2)),
      ...cells(row),
    ]),
  });
}
