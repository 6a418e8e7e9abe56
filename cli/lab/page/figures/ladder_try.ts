/// <reference lib="dom" />
/** A rung to edit: the reader's text in its place, checked, then timed in turns with what it was. */

import { html, type TemplateResult } from "lit-html";
import { live as asShown } from "lit-html/directives/live.js";
import { ExitCode, UserError } from "../../../../engine/errors.ts";
import { LADDER, type LadderShape, type Rung } from "../../../../engine/lab/ladder.ts";
import { type Checked, Ladder, type Timed } from "../../../../engine/lab/ladder_run.ts";
import { button, choice, controls } from "../parts/controls.ts";
import { device } from "../parts/device.ts";
import { type Live, live } from "../parts/live.ts";
import { show, table } from "../parts/numbers.ts";

export interface TryState {
  readonly rung: string;
  /** The reader's text. */
  readonly text: string;
  /** What was asked for last. */
  readonly tried: { readonly rung: string; readonly text: string } | null;
}

interface Found {
  readonly checked: readonly Checked[];
  /** Absent where the text is wrong: what computes something else has no speed. */
  readonly timed?: readonly Timed[];
}

/** Small enough for any device, with edges that are no whole tiles. */
const SHAPE: LadderShape = { batch: 2, height: 9, width: 11, inChannels: 32, outChannels: 36 };
const SECONDS = 1;

const RUNGS = Object.fromEntries(LADDER.map(({ name }, i) => [name, `${i + 1} ${name}`]));
const rungOf = (name: string) => LADDER.find((rung) => rung.name === name)!;
const textOf = (name: string) => rungOf(name).stages(SHAPE)[0].kernel.shader;

export const tryFigure = (rung: string): Live<TryState> =>
  live<TryState, TryState["tried"], Found | undefined>({
    id: "try",
    title: "Change a kernel, and see whether it is right and faster",
    start: { rung, text: textOf(rung), tried: null },
    asks: ({ tried }) => tried,
    compute: async (tried) => tried ? await attempted(tried.rung, tried.text) : undefined,
    view,
  });

/** The rung with another text in the place of its first kernel's. */
function edited(rung: Rung, text: string): Rung {
  const stages = (shape: LadderShape) =>
    rung.stages(shape).map((stage, k) =>
      k > 0 ? stage : { ...stage, kernel: { ...stage.kernel, shader: text, file: "your text" } }
    );
  return { ...rung, stages };
}

async function attempted(name: string, text: string): Promise<Found> {
  const { runtime, description } = await device();
  if (!runtime) {
    throw new UserError(`the kernel can't run: ${description}`, ExitCode.noAdapter);
  }
  const rung = rungOf(name);
  const ladder = await Ladder.make(runtime, [rung, edited(rung, text)], SHAPE);
  try {
    const checked = await ladder.check();
    if (!checked[1].right) return { checked };
    return { checked, timed: await ladder.time(SECONDS) };
  } finally {
    ladder.destroy();
  }
}

function view(
  { rung, text, tried }: TryState,
  set: (change: Partial<TryState>) => void,
  found?: Found,
): TemplateResult {
  const type = ({ target }: Event) => set({ text: (target as HTMLTextAreaElement).value });
  const waiting = tried !== null && found === undefined;
  return html`
    ${controls(
      choice("Rung", rung, RUNGS, (rung) => set({ rung, text: textOf(rung), tried: null })),
      button("Try it", () => set({ tried: { rung, text } })),
      button("As it was", () => set({ text: textOf(rung), tried: null })),
    )}
    <label>The shader's text
      <textarea rows="18" spellcheck="false" autocapitalize="off" autocomplete="off"
        style="width: 100%; font: 0.85rem/1.45 ui-monospace, monospace; white-space: pre"
        .value=${asShown(text)} @change=${type}></textarea></label>
    <p role="status">${found
      ? told(found)
      : waiting
      ? "Compiling and running .."
      : "Nothing was tried yet."}</p>
    ${found?.timed ? times(found.timed) : ""}
  `;
}

function told({ checked: [used, own] }: Found): TemplateResult {
  const bits = own.differing === 0
    ? "bit by bit"
    : `it rounds otherwise in ${own.differing} of ${own.elements} elements`;
  return own.right
    ? html`<span class="right">Right</span>: ${bits}.`
    : html`<span class="wrong">Wrong</span>: ${own.differing} of ${own.elements} elements differ, the
      worst by ${show(own.error, 2)} times what rounding explains (${
      show(used.error, 2)
    } as it was).`;
}

function times([used, own]: readonly Timed[]): TemplateResult {
  const row = (name: string, { ms, high }: Timed) => [name, show(ms, 3), show(high, 3)];
  const apart = own.ms > used.high || used.ms > own.high;
  return html`${
    table("Milliseconds: of ten, one is below the first number, one above the second", [
      "",
      "ms",
      "to",
    ], [row("as it was", used), row("your text", own)])
  }<p>${show(own.ms / used.ms, 3)} x the time: ${
    apart ? (own.ms > used.ms ? "slower" : "faster") : "within the noise"
  }.</p>`;
}
