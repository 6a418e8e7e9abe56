/** Which kernels each class lives on, as a map of classes by kernels. */

import { html, type TemplateResult } from "lit-html";
import { unsafeHTML } from "lit-html/directives/unsafe-html.js";
import { ExitCode, UserError } from "../../../../engine/errors.ts";
import { type Diagnosed, diagnosed } from "../../../../engine/lab/trial.ts";
import { heatMap } from "../../../../engine/report/heat_map.ts";
import { button, controls, slider } from "../parts/controls.ts";
import { device } from "../parts/device.ts";
import { type Live, live } from "../parts/live.ts";
import { numbers } from "../parts/numbers.ts";
import { LAYER, patient, shapes } from "./shapes.ts";

export interface DiagnosisState {
  /** Images of each class. */
  readonly images: number;
  /** How often it was asked for. */
  readonly asked: number;
}

/** @throws UserError (noAdapter) where there is no GPU */
export async function diagnosis(images: number): Promise<Diagnosed> {
  const { runtime, description } = await device();
  if (!runtime) {
    throw new UserError(
      `it takes a GPU to go through all images: ${description}`,
      ExitCode.noAdapter,
    );
  }
  const network = patient();
  try {
    return await diagnosed(runtime, network, shapes(), LAYER, images);
  } finally {
    runtime.release([...network.namedState()].map(([, variable]) => variable));
  }
}

export const diagnosisFigure = (start: DiagnosisState): Live<DiagnosisState> =>
  live<DiagnosisState, DiagnosisState, Diagnosed | undefined>({
    id: "diagnosis",
    title: "Classes by kernels",
    start,
    asks: (state) => state,
    compute: async ({ images, asked }) => asked > 0 ? await diagnosis(images) : undefined,
    view: ({ images, asked }, set, found) =>
      html`
        ${controls(
          slider("Images of a class", images, [1, 20], (images) => set({ images, asked: 0 })),
          button("Diagnose", () => set({ asked: asked + 1 })),
        )}
        ${found
          ? shown(found)
          : asked > 0
          ? html`<p role="status">Going through all images ..</p>`
          : ""}
      `,
  });

function shown({ aggregate, mask, channels, images }: Diagnosed): TemplateResult {
  const { classes } = shapes();
  const rows = classes.map((_, k) => {
    const row = aggregate.subarray(k * channels, (k + 1) * channels);
    const [low, high] = [Math.min(...row), Math.max(...row)];
    return Array.from(row, (value) => (value - low) / (high - low + 1e-5));
  });
  const own = classes.map((_, k) =>
    mask.subarray(k * channels, (k + 1) * channels).reduce((sum, one) => sum + one, 0)
  );
  const map = heatMap({
    title: `Gradients at ${LAYER} by class and kernel`,
    description: "How much each class's score goes by each kernel, as a share of its range.",
    rows: classes,
    columnLabel: `${channels} kernels`,
    values: rows,
    threshold: 0.1,
    thresholdLabel: "its own",
  });
  return html`
    <div class="scroll" tabindex="0" role="group" aria-label="Map">${unsafeHTML(map)}</div>
    <p role="status">On average a class lives on ${Math.round(
      own.reduce((a, b) => a + b, 0) / own.length,
    )} of ${channels} kernels.</p>
    ${numbers(
      "Kernels from a tenth of a class's range on",
      ["class", "images", "own kernels", "which"],
      classes.map((name, k) => [
        name,
        `${images[k]}`,
        `${own[k]}`,
        Array.from({ length: channels }, (_, j) => j)
          .filter((j) => mask[k * channels + j] === 1).join(" "),
      ]),
    )}
  `;
}
