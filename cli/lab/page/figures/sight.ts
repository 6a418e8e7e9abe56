/// <reference lib="dom" />
/** Where the network looks: an image whose background can be dragged, its logits and gradients. */

import { html, type TemplateResult } from "lit-html";
import { largest, Looker, normalised, onGround, type Sight } from "../../../../engine/lab/look.ts";
import { bars } from "../parts/bars.ts";
import { button, choice, controls, slider } from "../parts/controls.ts";
import { device } from "../parts/device.ts";
import { type Live, live } from "../parts/live.ts";
import { numbers, show } from "../parts/numbers.ts";
import { picture } from "../parts/pixels.ts";
import { LAYER, patient, shapes } from "./shapes.ts";

export interface SightState {
  /** Numbers of test images: whose figure it is, and whose background. */
  readonly figure: number;
  readonly ground: number;
  /** How far the background is moved. */
  readonly dx: number;
  readonly dy: number;
  /** The class whose score is looked into; "likeliest" or its number. */
  readonly score: string;
}

type Seen = Sight & { readonly label: number };

let looker: Promise<Looker> | undefined;

async function look({ score, ...place }: SightState): Promise<Seen> {
  looker ??= device().then(({ runtime }) => {
    // An adapter that is a program is no faster than float64 at this size, and compiles for long.
    const gpu = runtime?.gpu.isCpu ? undefined : runtime;
    return Looker.make(gpu, patient(), shapes(), LAYER);
  });
  const image = normalised(composed(place), shapes());
  return await (await looker).look(image, score === "likeliest" ? undefined : Number(score));
}

const composed = ({ figure, ground, dx, dy }: Omit<SightState, "score">) =>
  onGround(shapes().test, shapes().height, figure, ground, [dx, dy]);

export const sightFigure = (start: SightState): Live<SightState> =>
  live<SightState, SightState, Seen>({
    id: "sight",
    title: "One image, and what the network goes by",
    start,
    asks: (state) => state,
    compute: look,
    view,
  });

/** Pixels of the screen for one of the image. */
const SCALE = 6;

function view(
  state: SightState,
  set: (change: Partial<SightState>) => void,
  seen?: Seen,
): TemplateResult {
  const { figure, ground, dx, dy, score } = state;
  const { classes, test, backgroundNames, height } = shapes();
  const most = test.labels.length - 1;
  const image = composed(state);
  const name = classes[test.labels[figure]];
  const behind = backgroundNames![test.backgrounds![ground]];
  const scores = {
    likeliest: "the likeliest class",
    ...Object.fromEntries(classes.map((name, k) => [`${k}`, name])),
  } as Record<string, string>;
  return html`
    ${controls(
      slider("Figure of image", figure, [0, most], (figure) => set({ figure })),
      slider("Background of image", ground, [0, most], (ground) => set({ ground })),
      slider("moved right by", dx, [0, height - 1], (dx) => set({ dx })),
      slider("down by", dy, [0, height - 1], (dy) => set({ dy })),
      choice("Score of", score, scores, (score) => set({ score })),
      button("Its own background", () => set({ ground: figure, dx: 0, dy: 0 })),
    )}
    <div style="display: flex; flex-wrap: wrap; gap: 1rem; align-items: start">
      <div @pointerdown=${(event: PointerEvent) => drag(event, state, set, height)}
        style="cursor: grab; touch-action: none" title="Drag the background">
        ${picture(image, `a ${name} on ${behind}`)}
      </div>
      ${seen
        ? html`<div>${picture(image, "the same, dark where it does not count", seen.saliency)}</div>
          ${bars("Logits", classes, seen.logits, seen.label)}`
        : ""}
    </div>
    <p role="status">${seen ? verdict(seen, name, behind, test.labels[figure]) : "Looking .."}</p>
    ${seen
      ? html`${kernels(seen)}${
        numbers(
          `Gradients of the score of ${classes[seen.label]} at the kernels of ${LAYER}`,
          ["kernel", "positive part, summed over space"],
          Array.from(seen.kernels, (value, k) => [`${k}`, value]),
        )
      }`
      : ""}
  `;
}

function verdict(seen: Seen, name: string, behind: string, label: number): string {
  const { classes } = shapes();
  const said = largest(seen.logits);
  const total = Array.from(seen.logits)
    .reduce((sum, logit) => sum + Math.exp(logit - seen.logits[said]), 0);
  return `A ${name} on ${behind}. The network says ${classes[said]}, with ${
    show(100 / total, 3)
  } %: ${said === label ? "right" : "wrong"}. The second picture is dark where the score of ${
    classes[seen.label]
  } does not depend on the image.`;
}

/** The kernels' gradients as a row of bars. */
function kernels({ kernels }: Seen): TemplateResult {
  const most = Math.max(1e-12, ...Array.from(kernels));
  const bar = (value: number) =>
    html`<span style="flex: 1; min-width: 2px; background: var(--plus);
      height: ${100 * value / most}%"></span>`;
  return html`
    <p>The ${kernels
      .length} kernels of <code>${LAYER}</code>, each as high as the score goes by it:</p>
    <div role="img" aria-label="A bar for each of ${kernels.length} kernels"
      style="display: flex; gap: 1px; align-items: end; height: 4rem; max-width: 40rem">
      ${Array.from(kernels, bar)}
    </div>
  `;
}

/** Moves the background with the pointer until it is let go. */
function drag(
  event: PointerEvent,
  { dx, dy }: SightState,
  set: (change: Partial<SightState>) => void,
  side: number,
): void {
  event.preventDefault();
  const [x, y] = [event.clientX, event.clientY];
  const around = (by: number) => ((Math.round(by) % side) + side) % side;
  const move = ({ clientX, clientY }: PointerEvent) =>
    set({ dx: around(dx + (clientX - x) / SCALE), dy: around(dy + (clientY - y) / SCALE) });
  const end = () => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
    removeEventListener("pointercancel", end);
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);
}
