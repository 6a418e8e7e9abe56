/** Examines a machine: is everything right on it, how fast is it, and is that what was predicted. */

import { verdictOf } from "../engine/certify/certificate.ts";
import { summaryOf } from "../engine/certify/summary.ts";
import { ExitCode, TooLarge, UserError } from "../engine/errors.ts";
import type { Gpu } from "../engine/gpu/adapter.ts";
import { slug } from "../engine/gpu/adapter_name.ts";
import { comesInWidth } from "../models/classifier.ts";
import { classifier, classifiers } from "../models/registry.ts";
import { machineOf, subjectOf } from "./certify/machine.ts";
import { NotHere, type Part, type Session } from "./certify/part.ts";
import { CLOSEST, KINDS, PAPER_MODELS, partsFor } from "./certify/parts.ts";
import { Record } from "./certify/record.ts";
import { type Context, defineCommand } from "./framework/command.ts";
import { flagTable, type Values } from "./framework/flags.ts";
import { Progress } from "./framework/progress.ts";
import { labelled, WIDTH, wrap } from "../engine/prose.ts";

/** Images and width of the networks, where they are not given: a processor has less to give. */
const ON_GPU = { batch: 128, width: 1 }, ON_CPU = { batch: 4, width: 0.5 };

/** The columns before which stands the name of a part. */
const LABEL = 26;

const flags = flagTable({
  minutes: {
    type: "number",
    above: 0,
    max: 1440,
    default: 10,
    help: "time to spend; what does not fit is left out, and done when it is called again",
  },
  parts: {
    type: "list",
    of: "string",
    choices: KINDS,
    what: "part",
    help: "what is examined (default all of it)",
  },
  models: {
    type: "list",
    of: "string",
    choices: classifiers.map(({ name }) => name),
    what: "model",
    value: "NAMES",
    help: "the classifiers whose steps are timed, of " +
      `${CLOSEST.join(" and ")}, or the first, the convolutions too (default the 17 of the paper)`,
  },
  batch: {
    type: "integer",
    min: 1,
    max: 65536,
    help: `images of a step (default ${ON_GPU.batch}; ${ON_CPU.batch} on a software adapter)`,
  },
  width: {
    type: "number",
    above: 0,
    max: 8,
    help: `channels of the classifiers' layers, times this (default ${ON_GPU.width}; ` +
      `${ON_CPU.width} on a software adapter)`,
  },
  out: {
    type: "string",
    value: "DIR",
    help: "the folder for it (default one in runs/ for this adapter)",
    writes: { what: "folder", otherwise: "runs" },
  },
});
type Args = Values<typeof flags>;

export const command = defineCommand({
  name: "certify",
  summary: "Examine a new machine: what is right, how fast, and as predicted or not",
  description:
    "The one command for a new machine, the most valuable parts first: operations and kernels " +
    "against float64; the adapter's peak and bandwidth, and what a tiny kernel costs; steps of the " +
    "paper's 17 classifiers with images a second, memory and what was predicted; every face of " +
    `${
      CLOSEST.join("'s and ")
    }'s convolutions against the roofline; a treatment, whose losses must ` +
    "be those of float64; what tuning gains; and, where python3 has torch with a GPU, the same by " +
    "PyTorch. Each part is kept as it ends, in certificate.json and certificate.html; the same " +
    "command goes on with what is left. The last line says PASS, or what is wrong; then the exit " +
    "code is 1, or that of what failed. Leave the machine alone meanwhile.",
  flags,
  examples: [
    { args: "", does: "ten minutes of this machine" },
    { args: "--minutes 60", does: "time enough for everything" },
    { args: "--parts operations,convolutions", does: "only whether everything is right" },
    { args: "--models resnet34 --out runs/after", does: "one classifier, after a change" },
  ],
  async run(args, context) {
    const begun = performance.now();
    const gpu = await context.gpu();
    const { batch, width } = { ...(gpu.isCpu ? ON_CPU : ON_GPU), ...present(args) };
    const models = args.models ?? PAPER_MODELS;
    requireWidth(models, width);
    const subject = await subjectOf(gpu, { batch, width });
    const folder = args.out ?? `runs/certify-${slug(gpu.adapter.name)}`;
    const record = await Record.open(folder, subject, await machineOf(gpu));
    context.print(`${subject.adapter}, driver ${subject.driver || "unknown"}; ${subject.program}`);
    context.print(`${batch} images a step, width ${width}; at most ${args.minutes} minutes\n`);
    context.working();
    for (const part of partsFor(args.parts ?? KINDS, models)) {
      const left = 60 * args.minutes - (performance.now() - begun) / 1000;
      await examine(part, left, record, { gpu, batch, width }, context);
    }
    const { line, wrong, remarkable, exitCode } = verdictOf(record.certificate);
    for (const text of remarkable) context.print(labelled("look at", text));
    for (const text of wrong) context.print(labelled("wrong", text));
    context.print(`\nwritten to ${record.page}`);
    context.print(wrap(line, WIDTH, "  "));
    return exitCode;
  },
});

const present = ({ batch, width }: Args) => ({
  ...batch !== undefined && { batch },
  ...width !== undefined && { width },
});

/** @throws UserError (usage) that names the first classifier that does not come in that width */
function requireWidth(models: readonly string[], width: number): void {
  const name = models.find((name) => !comesInWidth(classifier(name), width));
  if (name === undefined) return;
  throw new UserError(
    `${name} does not come ${width} times as wide`,
    ExitCode.usage,
    "leave it out of --models, or give another --width",
  );
}

/**
 * Does a part, unless it was done before or does not fit into the seconds that are left.
 * @throws what is no finding about the machine: an interruption, the device's loss
 */
async function examine(
  part: Part,
  left: number,
  record: Record,
  settings: { readonly gpu: Gpu; readonly batch: number; readonly width: number },
  { print, signal }: Context,
): Promise<void> {
  const { name, needs } = part;
  const say = (text: string) => print(labelled(name, text, LABEL));
  if (record.has(name)) return say("done before");
  const skip = async (why: string) => {
    await record.skip(name, why);
    say(`left out: ${why}`);
  };
  if (left < needs) return await skip(`it takes ${needs} s, and ${Math.floor(left)} are left`);

  const begun = performance.now();
  const seconds = () => (performance.now() - begun) / 1000;
  let bar: Progress | undefined;
  const session: Session = {
    ...settings,
    ...{ signal, certificate: record.certificate },
    progress(done, all) {
      bar ??= new Progress({ label: name, total: all });
      bar.update(done);
      signal.throwIfAborted();
    },
  };
  try {
    const finding = await part.run(session);
    settings.gpu.check();
    bar?.abandon();
    const found = { ...finding, name, seconds: seconds() };
    await record.add(found);
    say(`${summaryOf(found)}; ${found.seconds.toFixed(1)} s`);
    if (found.wrong.length > 0) say(`WRONG in ${found.wrong.length}, told below`);
  } catch (error) {
    bar?.abandon();
    if (error instanceof NotHere) return await skip(error.message);
    if (!(error instanceof UserError) || signal.aborted) throw error;
    const { message, exitCode } = error;
    // A device may have too little memory for a step, and be right in all that it computes.
    if (error instanceof TooLarge) return await skip(message);
    const wrong = [message];
    await record.add({ kind: "failed", name, seconds: seconds(), wrong, remarkable: [], exitCode });
    say(`FAILED: ${message}`);
    // A device that is lost has nothing more to tell.
    settings.gpu.check();
  }
}
