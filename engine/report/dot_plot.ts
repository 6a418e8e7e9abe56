/** Values with their intervals, a row for each name: what differs shows along one axis. */

import { scale } from "./axis.ts";
import { colourClass, escape, number, type Picture, svg, text, widthOf } from "./svg.ts";

export interface Dot {
  /** What the value is of. */
  readonly name: string;
  readonly value: number;
  readonly interval?: readonly [number, number] | null;
  readonly look: number;
}

export interface DotPlot extends Picture {
  readonly label: string;
  readonly rows: readonly { readonly name: string; readonly dots: readonly Dot[] }[];
  /** A value that all others are seen against. */
  readonly reference?: number;
  /** Colours and names below the plot, where the rows don't tell. */
  readonly legend?: readonly { readonly name: string; readonly look: number }[];
  readonly width?: number;
}

const [TOP, RIGHT, LINE, LANE] = [34, 16, 14, 9];
/** Where names begin, and what a dot at the edge needs. */
const [START, EDGE] = [8, 5];
/** The part of the width that names may take beside the dots. */
const MOST_OF_WIDTH = 0.35;

export function dotPlot(plot: DotPlot): string {
  const { rows, label, reference, legend = [], width = 340 } = plot;
  const widest = Math.max(...rows.map(({ name }) => widthOf(name)), 0);
  // Long names stand above their dots, so that these keep their room.
  const above = widest > width * MOST_OF_WIDTH ? LINE : 0;
  const left = above > 0 ? START : START + widest + 8;
  const values = rows.flatMap(({ dots }) =>
    dots.flatMap(({ value, interval }) => [value, ...interval ?? []])
  );
  const all = reference === undefined ? values : [...values, reference];
  const x = scale({ label }, all, left + EDGE, width - RIGHT);
  const heights = rows.map(({ dots }) => LINE + above + LANE * dots.length);
  const tops = heights.map((_, i) => TOP + heights.slice(0, i).reduce((a, b) => a + b, 0));
  const bottom = TOP + heights.reduce((a, b) => a + b, 0);
  const rule = (at: number, kind: string) =>
    `<path class="${kind}" d="M${number(x.at(at))} ${TOP}V${number(bottom)}"/>`;
  return svg(plot, width, Math.ceil(bottom + (legend.length > 0 ? 66 : 44)), [
    ...x.ticks.flatMap((tick) => [
      rule(tick, "md-grid"),
      text(String(tick), x.at(tick), bottom + 16, { anchor: "middle", size: 11 }),
    ]),
    ...reference === undefined ? [] : [rule(reference, "md-reference")],
    text(label, (left + width - RIGHT) / 2, bottom + 34, { anchor: "middle" }),
    ...rows.flatMap(({ name, dots }, i) => {
      const middle = tops[i] + (heights[i] + above) / 2;
      const first = middle - LANE * (dots.length - 1) / 2;
      return [
        above > 0
          ? text(name, left, tops[i] + LINE)
          : text(name, left - 8, middle + 4, { anchor: "end" }),
        ...dots.map((dot, lane) => mark(dot, x.at, first + lane * LANE)),
      ];
    }),
    ...names(legend, bottom + 58),
  ]);
}

/** The legend, in one line. */
function names(legend: NonNullable<DotPlot["legend"]>, y: number): string[] {
  let across = START;
  return legend.flatMap(({ name, look }) => {
    const from = across;
    across += 24 + widthOf(name) + 10;
    const dot = mark({ name, value: from + 5, look }, (value) => value, y - 4);
    return [dot, text(name, from + 14, y)];
  });
}

function mark({ name, value, interval, look }: Dot, at: (value: number) => number, y: number) {
  const bar = interval
    ? `<path d="M${number(at(interval[0]))} ${number(y)}H${number(at(interval[1]))}" ` +
      'stroke-width="2" stroke-opacity=".55"/>'
    : "";
  return `<g class="${colourClass(look)}" stroke="currentColor"><title>${
    escape(name)
  }</title>${bar}` +
    `<circle cx="${number(at(value))}" cy="${number(y)}" r="4" fill="currentColor"/></g>`;
}
