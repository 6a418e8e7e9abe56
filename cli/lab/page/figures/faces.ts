/** The trilinear form <y, x * w>: any element of the three, and the products that it is made of. */

import { html, type TemplateResult } from "lit-html";
import { drawn } from "../../../../engine/lab/subject.ts";
import { type Convolution, forEachProduct } from "../../../../engine/reference/images.ts";
import { positionOf } from "../../../../engine/reference/value.ts";
import {
  conv2d,
  conv2dInputGrad,
  conv2dWeightGrad,
  numel,
  type Shape,
  Variable,
} from "../../../../engine/tensor/mod.ts";
import { controls, slider } from "../parts/controls.ts";
import { type Evaluated, evaluated } from "../parts/evaluate.ts";
import { grid } from "../parts/grid.ts";
import { type Live, live } from "../parts/live.ts";
import { numbers, show, showError } from "../parts/numbers.ts";

/** Its three operands, in the order of the form's places. */
const FACES = ["x", "w", "y"] as const;
type Face = typeof FACES[number];

interface Setting {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly channels: number;
  readonly groups: number;
}

export interface FacesState extends Setting {
  /** What is pointed at. */
  readonly face: Face;
  readonly at: number;
}

const SIZE = 6;

/** Small whole numbers, so that a sum can be followed by hand. */
function whole(name: string, shape: Shape): Variable {
  const values = drawn(name, shape, [-3.49, 3.49], 7).map(Math.round);
  return new Variable(name, shape, values);
}

/** The operands at a setting, and what each face computes from the other two. */
export function formOf({ kernel, stride, padding, dilation, channels, groups }: Setting) {
  const options = { stride, padding, dilation, groups };
  const x = whole("x", [1, SIZE, SIZE, channels]);
  const w = whole("w", [kernel, kernel, channels / groups, channels]);
  const forward = conv2d(x, w, options);
  const y = whole("y", forward.shape);
  const results = [
    conv2dInputGrad(y, w, x.shape, options),
    conv2dWeightGrad(x, y, w.shape, options),
    forward,
  ];
  return {
    operands: [x, w, y],
    results,
    convolution: forward.attributes as unknown as Convolution,
  };
}

type Form = ReturnType<typeof formOf>;

export const facesFigure = (): Live<FacesState> =>
  live<FacesState, Setting, readonly Evaluated[]>({
    id: "faces",
    title: "The three faces of a convolution: point at any element",
    start: {
      ...{ kernel: 3, stride: 1, padding: 0, dilation: 1, channels: 1, groups: 1 },
      ...{ face: "y", at: 5 },
    },
    asks: ({ face: _, at: __, ...setting }) => fitting(setting),
    compute: (setting) => evaluated(formOf(setting).results),
    view: (state, set, result) => view({ ...state, ...fitting(state) }, set, result),
  });

/** The setting, with a kernel that fits into the image, and groups that divide the channels. */
function fitting(setting: Setting): Setting {
  const { kernel, padding, dilation, channels, groups } = setting;
  const reach = Math.floor((SIZE + 2 * padding - 1) / (kernel - 1 || 1));
  return {
    ...setting,
    dilation: Math.min(dilation, reach),
    groups: Math.min(groups, channels),
  };
}

type Set = (change: Partial<FacesState>) => void;

function view(state: FacesState, set: Set, result?: readonly Evaluated[]): TemplateResult {
  const form = formOf(state);
  const face = FACES.indexOf(state.face);
  const at = Math.min(state.at, form.operands[face].size - 1);
  const products = productsOf(form, face, at);
  return html`${
    controls(
      slider("Kernel", state.kernel, [1, 4], (kernel) => set({ kernel })),
      slider("Stride", state.stride, [1, 3], (stride) => set({ stride })),
      slider("Padding", state.padding, [0, 2], (padding) => set({ padding })),
      slider("Dilation", state.dilation, [1, 2], (dilation) => set({ dilation })),
      slider("Channels", state.channels, [1, 2], (channels) => set({ channels })),
      slider("Groups", state.groups, [1, state.channels], (groups) => set({ groups })),
    )
  }<div class="faces">${
    FACES.map((_, i) => {
      const used = new Set(products.map((places) => places[i]));
      return faceGrids(form, i, face === i ? at : undefined, used, set);
    })
  }</div>${sumOf(form, face, at, products, result)}${result && listing(form, result)}`;
}

/** The places in x, w and y of every product that an element of one of them has a part in. */
function productsOf({ operands, convolution }: Form, face: number, at: number) {
  const found: (readonly number[])[] = [];
  forEachProduct(convolution, operands.map(({ shape }) => shape), (...places) => {
    if (places[face] === at) found.push(places);
  });
  return found;
}

const TITLES = ["x, the image", "w, the filter", "y, the cotangent"];

/** A face's elements, a grid for each plane of its two axes of space. */
function faceGrids(
  { operands }: Form,
  face: number,
  chosen: number | undefined,
  used: ReadonlySet<number>,
  set: Set,
): TemplateResult {
  const { shape, initial } = operands[face];
  const isFilter = face === 1;
  const [rows, columns] = isFilter ? shape.slice(0, 2) : shape.slice(1, 3);
  const planes = numel(shape) / rows / columns;
  return html`<div>${
    Array.from({ length: planes }, (_, plane) => {
      const offset = (place: number) => place * planes + plane;
      const own = chosen !== undefined && chosen % planes === plane;
      return grid({
        name: TITLES[face] + (planes > 1 ? planeName(shape, isFilter, plane) : ""),
        ...{ rows, columns, largest: 3 },
        at: (place) => initial[offset(place)],
        chosen: own ? Math.floor(chosen / planes) : undefined,
        used: (place) => used.has(offset(place)),
        pick: (place) => set({ face: FACES[face], at: offset(place) }),
      });
    })
  }</div>`;
}

const planeName = (shape: Shape, isFilter: boolean, plane: number) =>
  isFilter
    ? `, channel ${Math.floor(plane / shape[3])} to ${plane % shape[3]}`
    : `, channel ${plane}`;

const BAR = ["the gradient at x", "the gradient at w", "the output y"];

/** An element's name with its place: x[2,3], of the channel where there are several. */
function element({ operands }: Form, face: number, at: number): string {
  const { shape } = operands[face];
  const position = positionOf(at, shape);
  const [space, rest] = face === 1
    ? [position.slice(0, 2), position.slice(2)]
    : [position.slice(1, 3), position.slice(3)];
  const several = operands[0].shape[3] > 1;
  return `${FACES[face]}[${[...space, ...several ? rest : []].join(",")}]`;
}

function sumOf(
  form: Form,
  face: number,
  at: number,
  products: readonly (readonly number[])[],
  result?: readonly Evaluated[],
): TemplateResult {
  const others = [0, 1, 2].filter((other) => other !== face);
  const factor = (other: number, place: number) => form.operands[other].initial[place];
  const terms = products.map((places) => others.map((o) => factor(o, places[o])));
  const total = terms.reduce((sum, [a, b]) => sum + a * b, 0);
  const written = terms.map(([a, b]) => `${signed(a)}·${signed(b)}`).join(" + ") ||
    "0, an empty sum";
  const names = products.map((places) => others.map((o) => element(form, o, places[o])).join(" "));
  const engine = result?.[face].engine?.[at];
  return html`
    <div role="status">
      <p><strong>${BAR[face]}</strong>, element ${element(form, face, at)}, is a sum of ${products
        .length} products:</p>
      <p class="sum">${written} = <strong>${show(total)}</strong>${engine === undefined ? "" : html`
        <span class="quiet">(the GPU says ${show(engine)})</span>
      `}</p>
    </div>
    <details>
      <summary>Which elements</summary>
      <p class="sum">${names.join(" + ") || "none"}</p>
    </details>
  `;
}

const signed = (value: number) => value < 0 ? `(${value})` : `${value + 0}`;

function listing(form: Form, result: readonly Evaluated[]): TemplateResult {
  const rows = result.flatMap(({ exact, engine, error }, face) =>
    [...exact].map((value, i) => [
      `${BAR[face]} ${element(form, face, i).slice(1)}`,
      value,
      engine ? engine[i] : "no GPU",
      error === undefined ? "" : showError(error),
    ])
  );
  return numbers("What each face computes from the other two", [
    ...["element", "float64", "GPU", "face off by"],
  ], rows);
}
