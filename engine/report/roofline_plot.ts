/**
 * The roofline plot (Williams, Waterman and Patterson 2009): what each kernel reaches, over the
 * operations that it does for a byte, both axes logarithmic, under the roof that the adapter has.
 */

import type { Roofline, Work } from "../gpu/roofline.ts";
import { colourClass, escape, number, svg, text } from "./svg.ts";

export interface RooflineDot extends Work {
  readonly name: string;
  readonly calls: number;
  /** Milliseconds of all calls together; `flops` and `bytes` are of all, too. */
  readonly ms: number;
  /** Of the time of all kernels, 0 .. 1: the dot's area. */
  readonly share: number;
  /** What is written beside it; only that it has a title, where absent. */
  readonly label?: string;
}

const [WIDTH, HEIGHT] = [720, 440];
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 20, 40, 52];
/** Radius of a kernel that takes all of the time, and of one that takes next to none. */
const [LARGEST, SMALLEST] = [28, 2.5];

/** Kernels without operations have no place: a copy is told by its bytes alone. */
export function rooflinePlot(title: string, roofline: Roofline, dots: readonly RooflineDot[]) {
  const shown = dots.filter(({ flops, bytes, ms }) => flops > 0 && bytes > 0 && ms > 0);
  const { gflops, gbPerSecond } = roofline;
  const ridge = gflops / gbPerSecond;
  const intensity = ({ flops, bytes }: Work) => flops / bytes;
  const speed = ({ flops, ms }: RooflineDot) => flops / ms / 1e6;
  const x = decades([...shown.map(intensity), ridge], LEFT, WIDTH - RIGHT);
  const y = decades([...shown.map(speed), gflops], HEIGHT - BOTTOM, TOP);
  const roof = [x.low, ridge, x.high].map((at) =>
    `${number(x.at(at))} ${number(y.at(Math.max(y.low, Math.min(gflops, at * gbPerSecond))))}`
  );
  const rule = (d: string) => `<path class="md-grid" d="${d}"/>`;
  const description = `${shown.length} kernels under a roof of ${gflops.toPrecision(3)} GFLOP/s ` +
    `and ${gbPerSecond.toPrecision(3)} GB/s`;
  return svg({ title, description }, WIDTH, HEIGHT, [
    ...x.ticks.flatMap((tick) => [
      rule(`M${number(x.at(tick))} ${TOP}V${HEIGHT - BOTTOM}`),
      text(`${tick}`, x.at(tick), HEIGHT - BOTTOM + 16, { anchor: "middle", size: 11 }),
    ]),
    ...y.ticks.flatMap((tick) => [
      rule(`M${LEFT} ${number(y.at(tick))}H${WIDTH - RIGHT}`),
      text(`${tick}`, LEFT - 6, y.at(tick) + 4, { anchor: "end", size: 11 }),
    ]),
    text("operations a byte", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, { anchor: "middle" }),
    text("GFLOP/s", 16, (TOP + HEIGHT - BOTTOM) / 2, { anchor: "middle", turn: -90 }),
    `<path class="md-reference" fill="none" d="M${roof.join("L")}"/>`,
    ...shown.toSorted((a, b) => b.share - a.share).map((dot) => {
      const radius = Math.max(SMALLEST, LARGEST * Math.sqrt(dot.share));
      const bound = intensity(dot) > ridge ? 0 : 1;
      return `<circle class="${colourClass(bound)}" cx="${number(x.at(intensity(dot)))}" ` +
        `cy="${number(y.at(speed(dot)))}" r="${number(radius)}" fill="currentColor" ` +
        `fill-opacity=".55"><title>${escape(describe(dot, speed(dot)))}</title></circle>`;
    }),
    ...labels(
      shown.flatMap((dot) =>
        dot.label === undefined
          ? []
          : [{ x: x.at(intensity(dot)), y: y.at(speed(dot)), label: dot.label }]
      ),
    ),
  ]);
}

interface Label {
  readonly x: number;
  readonly y: number;
  readonly label: string;
}

/** Beside their dots, on the side where the plot has room; below another that would lie under it. */
function labels(all: readonly Label[]): string[] {
  const placed: { left: number; right: number; y: number }[] = [];
  return all.toSorted((a, b) => a.y - b.y).map(({ x, y, label }) => {
    const width = LETTER * label.length;
    const toLeft = x + GAP + width > WIDTH - RIGHT;
    const left = toLeft ? x - GAP - width : x + GAP;
    const place = { left, right: left + width, y };
    for (const other of placed.toSorted((a, b) => a.y - b.y)) {
      const isBeside = other.right < place.left || other.left > place.right;
      if (!isBeside && Math.abs(other.y - place.y) < LINE) place.y = other.y + LINE;
    }
    placed.push(place);
    const end = toLeft ? place.right : place.left;
    const lead = place.y === y
      ? ""
      : `<path class="md-grid" d="M${number(x)} ${number(y)}L${number(end)} ${number(place.y)}"/>`;
    return lead + text(label, end, place.y + 4, { anchor: toLeft ? "end" : "start", size: 11 });
  });
}

/** Pixels from a dot to its label, of a label's letter at most, and between labels' lines. */
const [GAP, LETTER, LINE] = [16, 6.5, 13];

function describe({ name, calls, ms, share }: RooflineDot, speed: number): string {
  return `${name}: ${speed.toPrecision(3)} GFLOP/s, ${ms.toPrecision(3)} ms in ${calls} calls, ` +
    `${(100 * share).toFixed(1)} %`;
}

/** A logarithmic scale over whole powers of ten that hold all values. */
function decades(values: readonly number[], from: number, to: number) {
  const logs = values.map(Math.log10);
  const first = Math.floor(Math.min(...logs));
  const last = Math.max(first + 1, Math.ceil(Math.max(...logs)));
  return {
    low: 10 ** first,
    high: 10 ** last,
    at: (value: number) => from + (Math.log10(value) - first) / (last - first) * (to - from),
    ticks: Array.from(
      { length: last - first + 1 },
      (_, k) => Number((10 ** (first + k)).toFixed(6)),
    ),
  };
}
