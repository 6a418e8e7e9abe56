/** A treatment beside control and placebo, trained in the page, its curves growing. */

import { html, type TemplateResult } from "lit-html";
import { unsafeHTML } from "lit-html/directives/unsafe-html.js";
import { ExitCode, UserError } from "../../../../engine/errors.ts";
import { type Arm, ARMS, type Point, trial } from "../../../../engine/lab/trial.ts";
import { linePlot } from "../../../../engine/report/line_plot.ts";
import { button, controls, slider } from "../parts/controls.ts";
import { device } from "../parts/device.ts";
import { type Live, live } from "../parts/live.ts";
import { numbers, show } from "../parts/numbers.ts";
import { diagnosis } from "./diagnosis.ts";
import { patient, shapes, SPACE_LAYER } from "./shapes.ts";

type Points = readonly Readonly<Record<Arm, Point>>[];

export interface TrialState {
  readonly steps: number;
  /** Tenths of the terms' weights. */
  readonly channel: number;
  readonly space: number;
  readonly asked: number;
  /** What the arms have come to so far. */
  readonly points: Points;
}

type Asked = Omit<TrialState, "points">;

const [BATCH, RATE, LOOKS] = [32, 0.005, 10];

export function trialFigure(start: TrialState): Live<TrialState> {
  const figure: Live<TrialState> = live<TrialState, Asked, boolean>({
    id: "trial",
    title: "Treated, beside control and placebo",
    start,
    asks: ({ steps, channel, space, asked }) => ({ steps, channel, space, asked }),
    compute: async (asked) => {
      if (asked.asked > 0) await treat(asked, (points) => figure.set({ points }), asked.asked);
      return asked.asked > 0;
    },
    view,
  });
  return figure;
}

/** The trial that was asked for last; one that is not ends at its next look. */
let current = 0;

async function treat(
  { steps, channel, space }: Asked,
  grow: (points: Points) => void,
  number: number,
): Promise<void> {
  current = number;
  const { runtime, description } = await device();
  if (!runtime) throw new UserError(`training takes a GPU: ${description}`, ExitCode.noAdapter);
  const found = await diagnosis(10);
  const options = {
    ...{ steps, every: Math.ceil(steps / LOOKS), batch: BATCH, lr: RATE, seed: number },
    ...{ channel: channel / 10, space: space / 10, spaceLayer: SPACE_LAYER },
  };
  const points: Readonly<Record<Arm, Point>>[] = [];
  for await (const point of trial(runtime, patient, shapes(), found, options)) {
    if (current !== number) return;
    points.push(point);
    grow([...points]);
    // The page draws, and listens, between two looks.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

function view(
  { steps, channel, space, asked, points }: TrialState,
  set: (change: Partial<TrialState>) => void,
  done?: boolean,
): TemplateResult {
  const anew = { asked: 0, points: [] };
  return html`
    ${controls(
      slider("Steps", steps, [2, 200], (steps) => set({ ...anew, steps })),
      slider("Channel-wise, tenths", channel, [0, 20], (channel) => set({ ...anew, channel })),
      slider("Space-wise, tenths", space, [0, 20], (space) => set({ ...anew, space })),
      button("Treat", () => set({ asked: current + 1, points: [] })),
    )}
    ${points.length > 0 ? curves(points, steps) : ""}
    <p role="status">${points.length > 0
      ? told(points, steps, done === true)
      : asked > 0
      ? "Diagnosing, and planning three training steps .."
      : `Each arm trains on ${BATCH} images a step.`}</p>
  `;
}

const percent = (share: number) => `${show(100 * share, 3)} %`;

function told(points: Points, steps: number, done: boolean): string {
  const { control, treated, placebo } = points[points.length - 1];
  const said = `After ${control.step} of ${steps} steps: control ${percent(control.accuracy)}, ` +
    `treated ${percent(treated.accuracy)}, placebo ${
      percent(placebo.accuracy)
    } of the test images.`;
  return done
    ? `${said} One run on ${shapes().test.labels.length} images is luck, good or bad.`
    : said;
}

function curves(points: Points, steps: number): TemplateResult {
  const plot = (title: string, label: string, of: (point: Point) => number) =>
    unsafeHTML(linePlot({
      title,
      description: `${title} of each arm over the steps`,
      x: { label: "step", range: [0, steps], whole: true },
      y: { label },
      series: ARMS.map((name) => ({
        name,
        points: points.map((point) => [point[name].step, of(point[name])] as const),
      })),
      ...{ width: 480, height: 240 },
    }));
  return html`
    <div class="scroll" tabindex="0" role="group" aria-label="Curves">
      ${plot("Accuracy on test images", "%", ({ accuracy }) => 100 * accuracy)}
      ${plot("Loss on test images", "nats", ({ loss }) => loss)}
    </div>
    ${numbers(
      "Accuracy and loss on the test images",
      ["step", ...ARMS, ...ARMS.map((arm) => `loss, ${arm}`)],
      points.map((point) => [
        `${point.control.step}`,
        ...ARMS.map((arm) => percent(point[arm].accuracy)),
        ...ARMS.map((arm) => point[arm].loss),
      ]),
    )}
  `;
}
