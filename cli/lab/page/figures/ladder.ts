/** The ladder: each rung's text at every stage, checked and timed on the reader's device. */

import { html, type TemplateResult } from "lit-html";
import { unsafeHTML } from "lit-html/directives/unsafe-html.js";
import { ExitCode, UserError } from "../../../../engine/errors.ts";
import { expand } from "../../../../engine/gpu/expand.ts";
import { render } from "../../../../engine/gpu/render.ts";
import { measureRoofline, type Roofline } from "../../../../engine/gpu/roofline.ts";
import { LADDER, ladderCost, type LadderShape } from "../../../../engine/lab/ladder.ts";
import { type Checked, Ladder, type Timed } from "../../../../engine/lab/ladder_run.ts";
import { linePlot } from "../../../../engine/report/line_plot.ts";
import { rooflinePlot } from "../../../../engine/report/roofline_plot.ts";
import { code } from "../parts/code.ts";
import { button, choice, controls } from "../parts/controls.ts";
import { device } from "../parts/device.ts";
import { type Live, live } from "../parts/live.ts";
import { show, table } from "../parts/numbers.ts";

const TEXTS = {
  written: "as it is written",
  specialised: "with this convolution's sizes",
  expanded: "unrolled, as the driver gets it",
} as const;

const SIZES = {
  small: "2 x 8 x 8, 32 channels",
  middle: "4 x 32 x 32, 64 channels",
  deep: "1 x 8 x 8, 256 channels",
  large: "32 x 32 x 32, 64 channels",
} as const;

const SHAPES: Readonly<Record<keyof typeof SIZES, LadderShape>> = {
  small: { batch: 2, height: 8, width: 8, inChannels: 32, outChannels: 32 },
  middle: { batch: 4, height: 32, width: 32, inChannels: 64, outChannels: 64 },
  deep: { batch: 1, height: 8, width: 8, inChannels: 256, outChannels: 256 },
  large: { batch: 32, height: 32, width: 32, inChannels: 64, outChannels: 64 },
};

const RUNGS = Object.fromEntries(LADDER.map(({ name }, i) => [name, `${i + 1} ${name}`]));

export interface LadderState {
  readonly rung: string;
  readonly text: keyof typeof TEXTS;
  readonly size: keyof typeof SIZES;
  /** How often it was asked for. */
  readonly checks: number;
  readonly times: number;
}

type Asked = Pick<LadderState, "size" | "checks" | "times">;

interface Found {
  readonly shape: LadderShape;
  readonly checked: readonly Checked[];
  readonly timed?: readonly Timed[];
  /** Absent where the device tells no time. */
  readonly roofline?: Roofline;
}

/** How long the rungs are timed. */
const SECONDS = 3;

export const ladderFigure = (start: LadderState): Live<LadderState> =>
  live<LadderState, Asked, Found | undefined>({
    id: "ladder",
    title: "Eight kernels for one convolution",
    start,
    asks: ({ size, checks, times }) => ({ size, checks, times }),
    compute: async ({ size, checks, times }) =>
      checks + times === 0 ? undefined : await climbed(SHAPES[size], times > 0),
    view,
  });

async function climbed(shape: LadderShape, timing: boolean): Promise<Found> {
  const { runtime, description } = await device();
  if (!runtime) {
    throw new UserError(`the kernels can't run: ${description}`, ExitCode.noAdapter);
  }
  const ladder = await Ladder.make(runtime, LADDER, shape);
  try {
    const checked = await ladder.check();
    if (!timing || checked.some(({ right }) => !right)) return { shape, checked };
    const timed = await ladder.time(SECONDS);
    const tellsTime = runtime.gpu.features.has("timestamp-query");
    const roofline = tellsTime ? await measureRoofline(runtime.gpu) : undefined;
    return { shape, checked, timed, roofline };
  } finally {
    ladder.destroy();
  }
}

function view(
  { rung, text, size, checks, times }: LadderState,
  set: (change: Partial<LadderState>) => void,
  found?: Found,
): TemplateResult {
  const waiting = checks + times > 0 && !found;
  return html`
    ${controls(
      choice("Images", size, SIZES, (size) => set({ size, checks: 0, times: 0 })),
      button("Check all eight", () => set({ checks: checks + 1, times: 0 })),
      button("Check and time them", () => set({ times: times + 1 })),
    )}
    ${waiting ? html`<p role="status">Compiling and running ..</p>` : ""}
    ${found ? results(found) : ""}
    ${controls(
      choice("Rung", rung, RUNGS, (rung) => set({ rung })),
      choice("Text", text, TEXTS, (text) => set({ text })),
    )}
    <p>${LADDER.find(({ name }) => name === rung)!.idea}</p>
    ${texts(rung, text, SHAPES[size])}
  `;
}

function texts(name: string, text: LadderState["text"], shape: LadderShape): TemplateResult[] {
  const rung = LADDER.find((rung) => rung.name === name)!;
  return rung.stages(shape).map(({ kernel }) => {
    const file = `shaders/${kernel.label.replace(" ", "/")}.wgsl`;
    const made = {
      written: () => kernel.shader,
      specialised: () => render(kernel),
      expanded: () => expand(render(kernel)),
    }[text]();
    const lines = made.trim().split("\n").length;
    return code(made, `${file}, ${lines} lines, ${kernel.workgroups} workgroups`);
  });
}

function results({ shape, checked, timed, roofline }: Found): TemplateResult {
  const wrong = checked.filter(({ right }) => !right).length;
  const { flops, bytes } = ladderCost(shape);
  const gflops = (timed ?? []).map(({ ms }) => flops / ms / 1e6);
  return html`
    <p
      role="status">${wrong === 0
        ? html`<span class="right">All eight are right.</span>`
        : html`<span class="wrong">${wrong} of eight are wrong.</span>`} ${show(
          flops / 1e6,
        )} million operations on ${show(bytes / 1e6)} MB at least.${roofline
        ? ` The device's peak is ${show(roofline.gflops, 3)} GFLOP/s, its bandwidth ${
          show(roofline.gbPerSecond, 3)
        } GB/s, measured now.`
        : timed
        ? " This device tells no time, so the times are the host's, and there is no roofline."
        : ""}</p>
    ${timed ? plots(shape, timed, gflops, roofline) : ""}
    ${table(
      "The rungs: bytes asked for a multiply-add; an error of 1 is the most that rounding explains",
      [
        "rung",
        "error",
        "bits",
        "of buffers",
        "of workgroup memory",
        ...(timed ? ["ms", "to", "GFLOP/s"] : []),
        ...(roofline ? ["of the peak"] : []),
      ],
      LADDER.map(({ name, bufferBytes, workgroupBytes }, i) => [
        name,
        show(checked[i].error, 2),
        bitsOf(checked[i]),
        bufferBytes,
        workgroupBytes,
        ...(timed ? [show(timed[i].ms, 3), show(timed[i].high, 3), show(gflops[i], 3)] : []),
        ...(roofline ? [`${show(100 * gflops[i] / roofline.gflops, 2)} %`] : []),
      ]),
    )}
  `;
}

const bitsOf = ({ differing, elements, repeats }: Checked) =>
  !repeats
    ? "vary from run to run"
    : differing === 0
    ? "as the first"
    : `${show(100 * differing / elements, 2)} % other`;

/** How fast each rung is; and, where the roofline is known, against what it asks memory for. */
function plots(
  shape: LadderShape,
  timed: readonly Timed[],
  gflops: readonly number[],
  roofline: Roofline | undefined,
): TemplateResult {
  const names = LADDER.map(({ name }) => name);
  const speed = linePlot({
    title: "GFLOP/s, rung by rung",
    description: "The speed of each rung, in the order of the ladder.",
    x: { label: "rung", names },
    y: { label: "GFLOP/s", range: [0, 0] },
    series: [{ name: "GFLOP/s", points: gflops.map((value, i) => [i, value] as const) }],
  });
  const { flops } = ladderCost(shape);
  const dots = LADDER.map(({ name, bufferBytes }, i) => ({
    ...{ name, calls: 1, ms: timed[i].ms, share: 0.03, label: RUNGS[name] },
    ...{ flops, bytes: flops / 2 * bufferBytes },
  }));
  return html`
    <div class="scroll" tabindex="0" role="group" aria-label="Plots">
      ${unsafeHTML(speed)}${roofline &&
        unsafeHTML(
          rooflinePlot("GFLOP/s over operations for a byte asked of buffers", roofline, dots),
        )}
    </div>
  `;
}
