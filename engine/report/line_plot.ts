/** Lines over numbers or over names, such as layers. */

import { COLOURS, DASHES, escape, number, type Picture, svg, text, widthOf } from "./svg.ts";

export interface Series {
  readonly name: string;
  /** x and y; for an axis of names, x is the place of the name, from 0. */
  readonly points: readonly (readonly [number, number])[];
  /** How far the value may be off, up and down, at each point. */
  readonly spread?: readonly number[];
}

export interface Axis {
  readonly label: string;
  /** What the axis shows at least; the points widen it. */
  readonly range?: readonly [number, number];
  /** Names at 0, 1, 2, ... instead of numbers. */
  readonly names?: readonly string[];
}

export interface LinePlot extends Picture {
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

const [WIDTH, HEIGHT] = [640, 340];
const [LEFT, TOP] = [64, 34];

/** The plot as an SVG document, the series named below it. */
export function linePlot(plot: LinePlot): string {
  const { series, x, y } = plot;
  const turned = x.names !== undefined && x.names.some((name) => widthOf(name) > 60);
  const below = turned ? 20 + Math.max(...x.names!.map((name) => 0.7 * widthOf(name, 11))) : 20;
  const [right, bottom] = [WIDTH - 16, HEIGHT];
  const points = series.flatMap(({ points, spread }) =>
    points.flatMap(([px, py], i) => {
      const off = spread?.[i] ?? 0;
      return [[px, py - off], [px, py + off]];
    })
  );
  const across = scale(x, points.map(([px]) => px), LEFT, right);
  const up = scale(y, points.map(([, py]) => py), bottom, TOP);
  const names = legend(series, bottom + below + 34, right);
  return svg(plot, WIDTH, bottom + below + 34 + names.height, [
    ...grid(across, up, x, bottom, right, turned),
    text(x.label, (LEFT + right) / 2, bottom + below + 16, { anchor: "middle" }),
    text(y.label, 16, (TOP + bottom) / 2, { anchor: "middle", turn: -90 }),
    ...series.flatMap((one, i) => line(one, i, across.at, up.at)),
    ...names.content,
  ]);
}

interface Scale {
  /** The pixel of a value. */
  at(value: number): number;
  readonly ticks: readonly number[];
}

function scale({ range, names }: Axis, values: number[], from: number, to: number): Scale {
  const all = [...values, ...range ?? []].filter(Number.isFinite);
  const [least, most] = names
    ? [-0.3, names.length - 0.7]
    : all.length > 0
    ? [Math.min(...all), Math.max(...all)]
    : [0, 1];
  // One value alone stands in the middle of a range about it.
  const half = most > least ? 0 : Math.abs(most) / 2 || 1;
  const [low, high] = [least - half, most + half];
  const ticks = names ? names.map((_, i) => i) : niceTicks(low, high);
  return { at: (value) => from + (value - low) / (high - low) * (to - from), ticks };
}

/** Round numbers within a range, at most eight. */
export function niceTicks(low: number, high: number): number[] {
  const least = (high - low) / 7;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least)!;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
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

function line({ name, points, spread }: Series, i: number, x: Scale["at"], y: Scale["at"]) {
  const known = points.map(([px, py], k) => [x(px), y(py), spread?.[k] ?? 0, py] as const)
    .filter(([, , , value]) => Number.isFinite(value));
  const path = known.map(([px, py], k) => `${k > 0 ? "L" : "M"}${number(px)} ${number(py)}`);
  const bars = known.filter(([, , off]) => off > 0).map(([px, , off, value]) =>
    `M${number(px)} ${number(y(value - off))}V${number(y(value + off))}`
  );
  const [stroke, dash] = look(i);
  return [
    `<path d="${path.join("")}" fill="none" stroke="${stroke}" stroke-width="2"${dash}>` +
    `<title>${escape(name)}</title></path>`,
    bars.length > 0 ? `<path d="${bars.join("")}" stroke="${stroke}" stroke-opacity=".6"/>` : "",
    ...known.map(([px, py]) =>
      `<circle cx="${number(px)}" cy="${number(py)}" r="2.5" fill="${stroke}"/>`
    ),
  ].filter(Boolean);
}

const look = (i: number): [stroke: string, dash: string] => {
  const dash = DASHES[i % DASHES.length];
  return [COLOURS[i % COLOURS.length], dash && ` stroke-dasharray="${dash}"`];
};

/** The names in lines from `top` on. */
function legend(series: readonly Series[], top: number, right: number) {
  const content: string[] = [];
  let [x, y] = [LEFT, top];
  series.forEach(({ name }, i) => {
    const width = 34 + widthOf(name) + 14;
    if (x > LEFT && x + width > right) [x, y] = [LEFT, y + 18];
    const [stroke, dash] = look(i);
    content.push(
      `<path d="M${number(x)} ${y - 4}h26" stroke="${stroke}" stroke-width="2"${dash}/>`,
      text(name, x + 32, y),
    );
    x += width;
  });
  return { content, height: y - top + 12 };
}
