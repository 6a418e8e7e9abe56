/** Max pooling: windows, the element that each takes, and where a gradient goes. */

import { html, type TemplateResult } from "lit-html";
import { drawn } from "../../../../engine/lab/subject.ts";
import { grad, maxPool2d, mul, sum, type Tensor, Variable } from "../../../../engine/tensor/mod.ts";
import { button, controls, slider } from "../parts/controls.ts";
import { type Evaluated, evaluated } from "../parts/evaluate.ts";
import { grid } from "../parts/grid.ts";
import { type Live, live } from "../parts/live.ts";
import { numbers } from "../parts/numbers.ts";

interface Setting {
  readonly window: number;
  readonly stride: number;
  readonly image: readonly number[];
}

export interface PoolState extends Setting {
  /** The pixel that is pointed at. */
  readonly at: number;
}

const SIZE = 6;

const image = (): number[] => [...drawn("pool", [SIZE * SIZE], [0, 9.49], 4)].map(Math.round);

/** The pooled image, the pixel that each window takes, and the gradient of <y, pooled>. */
function poolOf({ window, stride, image }: Setting) {
  const x = new Variable("x", [1, SIZE, SIZE, 1], Float32Array.from(image));
  const pooled = maxPool2d(x, window, { stride });
  // A gather of x by the indices; the node says both.
  const [, indices] = pooled.inputs;
  const values = Float32Array.from({ length: pooled.size }, (_, i) => i + 1);
  const y = new Variable("y", pooled.shape, values);
  const [gradient] = grad(sum(mul(y, pooled)), [x]);
  return { x, y, tensors: [pooled, indices, gradient] as readonly Tensor[] };
}

export const poolFigure = (): Live<PoolState> =>
  live<PoolState, Setting, readonly Evaluated[]>({
    id: "pool",
    title: "Max pooling: press a pixel, and make it larger",
    start: { window: 2, stride: 2, image: image(), at: 0 },
    asks: ({ window, stride, image }) => ({ window, stride, image }),
    compute: (setting) => evaluated(poolOf(setting).tensors),
    view,
  });

function view(
  state: PoolState,
  set: (change: Partial<PoolState>) => void,
  result?: readonly Evaluated[],
): TemplateResult {
  const { x, y, tensors: [pooled] } = poolOf(state);
  const raised = () => state.image.map((value, i) => (i === state.at ? value + 1 : value));
  const side = pooled.shape[2];
  const square = (name: string, side: number, at: (place: number) => number, largest: number) =>
    grid({ name, rows: side, columns: side, at, largest });
  return html`${
    controls(
      slider("Window", state.window, [2, 3], (window) => set({ window })),
      slider("Stride", state.stride, [1, 3], (stride) => set({ stride })),
      button("Make it larger", () => set({ image: raised() })),
      button("As it was", () => set({ image: image() })),
    )
  }<div class="faces">${
    grid({
      name: "x, the image: what a window takes is outlined",
      ...{ rows: SIZE, columns: SIZE, largest: 10, chosen: state.at },
      at: (place) => x.initial[place],
      used: (place) => result?.[1].exact.includes(place) ?? false,
      pick: (at) => set({ at }),
      pressed: true,
    })
  }${result ? square("its pooled image", side, (i) => result[0].exact[i], 10) : ""}${
    square("y, the cotangent", side, (i) => y.initial[i], pooled.size)
  }${
    result ? square("the gradient at x", SIZE, (i) => result[2].exact[i], pooled.size) : ""
  }</div>${result ? told(state.at, result) : html`<p role="status">Computing ..</p>`}`;
}

function told(at: number, [pooled, indices, gradient]: readonly Evaluated[]): TemplateResult {
  const windows = [...indices.exact].flatMap((pixel, i) => pixel === at ? [i] : []);
  const place = `row ${Math.floor(at / SIZE)}, column ${at % SIZE}`;
  return html`
    <p
      role="status">The pixel in ${place} is taken by ${windows.length === 0
        ? "no window"
        : `${windows.length === 1 ? "window" : "windows"} ${
          windows.join(", ")
        }`}, so its gradient is ${gradient.exact[at]}.</p>${numbers(
          "Windows, in the order of the pooled image",
          ["window", "takes pixel", "value", "GPU"],
          [...indices.exact].map((pixel, i) => [
            `${i}`,
            `row ${Math.floor(pixel / SIZE)}, column ${pixel % SIZE}`,
            pooled.exact[i],
            pooled.engine?.[i] ?? "no GPU",
          ]),
        )}
  `;
}
