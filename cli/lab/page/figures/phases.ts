/** Strided gradients, on one line of pixels: the input's by phases, the weight's as a dilated filter. */

import { html, type TemplateResult } from "lit-html";
import { drawn } from "../../../../engine/lab/subject.ts";
import {
  conv2d,
  conv2dInputGrad,
  conv2dWeightGrad,
  reshape,
  type Tensor,
  Variable,
} from "../../../../engine/tensor/mod.ts";
import { controls, slider } from "../parts/controls.ts";
import { type Evaluated, evaluated } from "../parts/evaluate.ts";
import { grid } from "../parts/grid.ts";
import { type Live, live } from "../parts/live.ts";
import { numbers, show, table } from "../parts/numbers.ts";

export interface LineState {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}

const WIDTH = 9;

function row(name: string, length: number): Variable {
  const values = drawn(name, [length], [-3.49, 3.49], 3).map(Math.round);
  return new Variable(name, [1, 1, length, 1], values);
}

/** A line of taps, as a filter. */
const filter = (values: ArrayLike<number>): Variable =>
  new Variable("taps", [1, values.length, 1, 1], Float32Array.from(values));

function lineOf({ kernel, stride, padding, dilation }: LineState) {
  const options = {
    stride: [1, stride] as const,
    padding: [0, padding] as const,
    dilation: [1, dilation] as const,
  };
  const x = row("x", WIDTH);
  const w = filter(row("w", kernel).initial);
  const y = row("y", conv2d(x, w, options).shape[2]);
  return { x, w, y, options };
}

/** Every so many-th tap of the filter, from one on. */
interface Phase {
  readonly taps: readonly number[];
  /** The pixels of x that it makes. */
  readonly pixels: readonly number[];
  /** A plain convolution of stride 1 of the cotangent with those taps; absent where there are none. */
  readonly made?: Tensor;
  /** Where in that each pixel is. */
  readonly places: readonly number[];
}

function phasesOf(state: LineState): { whole: Tensor; phases: readonly Phase[] } {
  const { x, w, y, options } = lineOf({ ...state, dilation: 1 });
  const { kernel, stride, padding } = state;
  const phases = Array.from({ length: stride }, (_, f): Phase => {
    const taps = Array.from({ length: kernel }, (_, r) => r).filter((r) => r % stride === f);
    const pixels = Array.from({ length: WIDTH }, (_, h) => h)
      .filter((h) => (h + padding) % stride === f);
    const places = pixels.map((h) => (h + padding - f) / stride);
    if (taps.length === 0) return { taps, pixels, places };
    const turned = filter(taps.toReversed().map((r) => w.initial[r]));
    return { taps, pixels, places, made: conv2d(y, turned, { padding: [0, taps.length - 1] }) };
  });
  return { whole: conv2dInputGrad(y, w, x.shape, options), phases };
}

const RANGES = { kernel: [1, 5], stride: [1, 3], padding: [0, 2] } as const;

const sliders = (state: LineState, set: (change: Partial<LineState>) => void) => [
  slider("Kernel", state.kernel, RANGES.kernel, (kernel) => set({ kernel })),
  slider("Stride", state.stride, RANGES.stride, (stride) => set({ stride })),
  slider("Padding", state.padding, RANGES.padding, (padding) => set({ padding })),
];

const START: LineState = { kernel: 3, stride: 2, padding: 1, dilation: 1 };

export const phasesFigure = (): Live<LineState> =>
  live<LineState, LineState, readonly Evaluated[]>({
    id: "phases",
    title: "The input gradient of a strided convolution, phase by phase",
    start: START,
    asks: (state) => state,
    compute: (state) => {
      const { whole, phases } = phasesOf(state);
      return evaluated([whole, ...phases.flatMap(({ made }) => made ?? [])]);
    },
    view: (state, set, result) =>
      html`${controls(sliders(state, set))}${
        result ? phasesView(state, result) : html`<p role="status">Computing ..</p>`
      }`,
  });

function phasesView(state: LineState, [whole, ...made]: readonly Evaluated[]): TemplateResult {
  const { phases } = phasesOf(state);
  const phaseOf = (h: number) => (h + state.padding) % state.stride;
  const found = new Map<number, number>();
  let next = 0;
  for (const { pixels, places, made: one } of phases) {
    const values = one && made[next++].exact;
    // Beyond what the cotangent reaches there is nothing to add.
    pixels.forEach((h, i) => found.set(h, values?.[places[i]] ?? 0));
  }
  const largest = Math.max(...whole.exact.map(Math.abs));
  const same = [...whole.exact].every((value, h) => Math.abs(value - found.get(h)!) < 1e-9);
  const taps = phases.reduce((sum, { taps, pixels }) => sum + taps.length * pixels.length, 0);
  return html`
    <div class="scroll" tabindex="0" role="group" aria-label="The gradient at x">${grid({
      name: "The gradient at x, a colour for each phase",
      ...{ rows: 1, columns: WIDTH, largest, kind: phaseOf },
      at: (h) => whole.exact[h],
    })}</div><p
      role="status">${same
        ? html`<span class="right">The phases put together are conv2dInputGrad's.</span>`
        : html`<span class="wrong">The phases are not conv2dInputGrad's.</span>`} They take at most ${taps} products; the whole kernel over a cotangent with zeros between its
      elements would take ${WIDTH * state.kernel}.</p>${table(
        "Phases",
        ["phase", "taps of w", "pixels of x"],
        phases.map(({ taps, pixels }, f) => [
          html`<span class="key order-${f}"></span>${f}`,
          taps.join(", ") || "none: zero",
          pixels.join(", "),
        ]),
      )}${numbers(
        "The gradient at x, by phases and by conv2dInputGrad",
        ["pixel", "phase", "by phases", "float64", "GPU"],
        [...whole.exact].map((value, h) => [
          ...[`${h}`, `${phaseOf(h)}`, found.get(h)!, value, whole.engine?.[h] ?? "no GPU"],
        ]),
      )}
  `;
}

/** The weight gradient, and x convolved with the cotangent as its filter. */
function weightOf(state: LineState): readonly Tensor[] {
  const { x, w, y, options } = lineOf(state);
  const asFilter = reshape(y, [1, y.size, 1, 1]);
  const swapped = { stride: options.dilation, padding: options.padding, dilation: options.stride };
  return [conv2dWeightGrad(x, y, w.shape, options), conv2d(x, asFilter, swapped)];
}

export const weightFigure = (): Live<LineState> =>
  live<LineState, LineState, readonly Evaluated[]>({
    id: "weight",
    title: "The weight gradient as a correlation whose dilation is the stride",
    start: { ...START, padding: 0 },
    asks: (state) => state,
    compute: (state) => evaluated(weightOf(state)),
    view: (state, set, result) =>
      html`${
        controls(
          sliders(state, set),
          slider("Dilation", state.dilation, [1, 2], (dilation) => set({ dilation })),
        )
      }${result ? weightView(state, result) : html`<p role="status">Computing ..</p>`}`,
  });

function weightView(state: LineState, [gradient, swapped]: readonly Evaluated[]): TemplateResult {
  const { y } = lineOf(state);
  const same = gradient.exact.every((value, r) => value === swapped.exact[r]);
  const rest = swapped.exact.length - gradient.exact.length;
  const q = Array.from(
    { length: y.size },
    (_, p) => `y[${p}]·x[r·${state.dilation} + ${p * state.stride - state.padding}]`,
  );
  return html`<p>w[r] gets ${q.join(" + ")}</p><p role="status">${
    same
      ? html`
        <span
          class="right">conv2d(x, y as filter, stride ${state.dilation}, dilation ${state
            .stride}) is conv2dWeightGrad.</span>
      `
      : html`<span class="wrong">They differ.</span>`
  }${
    rest > 0
      ? html`
        It has ${rest} more: a larger kernel would have had the same output size.
      `
      : ""
  }</p>${
    table(
      "The weight gradient both ways",
      ["tap", "conv2dWeightGrad", "conv2d with y as filter", "GPU"],
      [...gradient.exact].map((value, r) => [
        ...[`${r}`, value, swapped.exact[r], gradient.engine ? show(gradient.engine[r]) : "no GPU"],
      ]),
    )
  }`;
}
