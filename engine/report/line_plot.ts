/** Lines over numbers or over names, such as layers. */

import { type Axis, type Scale, scale } from "./axis.ts";
import { colourClass, DASHES, escape, number, type Picture, svg, text, widthOf } from "./svg.ts";

export interface Series {
  readonly name: string;
  /** x and y; for an axis of names, x is the place of the name, from 0. */
  readonly points: readonly (readonly [number, number])[];
  /** How far the value may be off, up and down, at each point. */
  readonly spread?: readonly number[];
  /** Which colour and pattern it takes (default its place among the series). */
  readonly look?: number;
}

export interface LinePlot extends Picture {
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Pixels from edge to edge, and from the top to the x axis. */
  readonly width?: number;
  readonly height?: number;
}

const [LEFT, TOP] = [64, 34];
/** Where the lines of the legend begin. */
const START = 8;

/** The plot as an SVG document, the series named below it. */
export function linePlot(plot: LinePlot): string {
  const { series, x, y, width = 640, height = 340 } = plot;
  const turned = x.names !== undefined && x.names.some((name) => widthOf(name) > 60);
  const below = turned ? 20 + Math.max(...x.names!.map((name) => 0.7 * widthOf(name, 11))) : 20;
  const [right, bottom] = [width - 16, height];
  const points = series.flatMap(({ points, spread }) =>
    points.flatMap(([px, py], i) => {
      const off = spread?.[i] ?? 0;
      return [[px, py - off], [px, py + off]];
    })
  );
  const across = scale(x, points.map(([px]) => px), LEFT, right);
  const up = scale(y, points.map(([, py]) => py), bottom, TOP);
  const names = legend(series, bottom + below + 34, right);
  return svg(plot, width, bottom + below + 34 + names.height, [
    ...grid(across, up, x, bottom, right, turned),
    text(x.label, (LEFT + right) / 2, bottom + below + 16, { anchor: "middle" }),
    text(y.label, 16, (TOP + bottom) / 2, { anchor: "middle", turn: -90 }),
    ...series.flatMap((one, i) => line(one, i, across.at, up.at)),
    ...names.content,
  ]);
}

function grid(
  across: Scale,
  up: Scale,
  { names }: Axis,
  bottom: number,
  right: number,
  turned: boolean,
): string[] {
  const rule = (x1: number, y1: number, x2: number, y2: number) =>
    `<path class="md-grid" d="M${number(x1)} ${number(y1)}L${number(x2)} ${number(y2)}"/>`;
  return [
    ...across.ticks.flatMap((tick) => {
      const x = across.at(tick);
      const label = names?.[tick] ?? String(tick);
      return [
        rule(x, TOP, x, bottom),
        turned
          ? text(label, x + 4, bottom + 14, { anchor: "end", size: 11, turn: -45 })
          : text(label, x, bottom + 16, { anchor: "middle", size: 11 }),
      ];
    }),
    ...up.ticks.flatMap((tick) => {
      const y = up.at(tick);
      return [
        rule(LEFT, y, right, y),
        text(String(tick), LEFT - 6, y + 4, { anchor: "end", size: 11 }),
      ];
    }),
  ];
}

function line({ name, points, spread, look: of }: Series, i: number, x: At, y: At): string[] {
  const known = points.map(([px, py], k) => [x(px), y(py), spread?.[k] ?? 0, py] as const)
    .filter(([, , , value]) => Number.isFinite(value));
  const path = known.map(([px, py], k) => `${k > 0 ? "L" : "M"}${number(px)} ${number(py)}`);
  const bars = known.filter(([, , off]) => off > 0).map(([px, , off, value]) =>
    `M${number(px)} ${number(y(value - off))}V${number(y(value + off))}`
  );
  return [
    `<g class="${colourClass(of ?? i)}" stroke="currentColor"><title>${escape(name)}</title>`,
    `<path d="${path.join("")}" fill="none" stroke-width="2"${dash(of ?? i)}/>`,
    bars.length > 0 ? `<path d="${bars.join("")}" stroke-opacity=".6"/>` : "",
    ...known.map(([px, py]) =>
      `<circle cx="${number(px)}" cy="${number(py)}" r="2.5" fill="currentColor"/>`
    ),
    "</g>",
  ].filter(Boolean);
}

type At = Scale["at"];

function dash(i: number): string {
  const pattern = DASHES[i % DASHES.length];
  return pattern && ` stroke-dasharray="${pattern}"`;
}

/** The names in lines from `top` on. */
function legend(series: readonly Series[], top: number, right: number) {
  const content: string[] = [];
  let [x, y] = [START, top];
  series.forEach(({ name, look: of }, i) => {
    const width = 32 + widthOf(name) + 12;
    if (x > START && x + width > right + 8) [x, y] = [START, y + 18];
    content.push(
      `<path class="${colourClass(of ?? i)}" d="M${number(x)} ${y - 4}h26" ` +
        `stroke="currentColor" stroke-width="2"${dash(of ?? i)}/>`,
      text(name, x + 32, y),
    );
    x += width;
  });
  return { content, height: y - top + 12 };
}
