/** Shows where the time of a step goes: by operation, by kernel and by layer. */

import { accountOf } from "../engine/data/account.ts";
import { namedTargets, type Target } from "../engine/gpu/kernels/target.ts";
import { writeFileAtomic } from "../engine/io/files.ts";
import { parameterCount } from "../engine/nn/state.ts";
import { timesBy } from "../engine/profile/against.ts";
import { traceOf } from "../engine/profile/trace.ts";
import { profilePage } from "../engine/report/profile.ts";
import { rooflinePlot } from "../engine/report/roofline_plot.ts";
import { describeAccount } from "./account.ts";
import { seedFlag } from "./train_flags.ts";
import { constraintOf } from "./constraint_flags.ts";
import { openRuntime } from "./exact.ts";
import { defineCommand } from "./framework/command.ts";
import { flagTable } from "./framework/flags.ts";
import { Progress } from "./framework/progress.ts";
import { wrap } from "../engine/prose.ts";
import { describeAgainst, readProfile } from "./profile/against.ts";
import { openOnData, stageOnDataFlags } from "./profile/data.ts";
import { dumpShaders } from "./profile/dump.ts";
import { profile, profiledSteps } from "./profile/profile.ts";
import { openMadeUp, openStage } from "./profile/stage.ts";
import { describe } from "./profile/tables.ts";

const targets: Readonly<Record<string, Target>> = namedTargets;

const flags = flagTable({
  ...stageOnDataFlags,
  target: {
    type: "choice",
    choices: ["adapter", ...Object.keys(targets)],
    default: "adapter",
    help: "the kernels that suit the adapter, those for any device, or those for GPUs",
  },
  steps: { type: "integer", min: 1, max: 10000, default: 5, help: "steps to take the median of" },
  top: { type: "integer", min: 1, max: 10000, default: 20, help: "kernels to show" },
  depth: {
    type: "integer",
    min: 1,
    max: 100,
    help: "parts of a layer's path by which layers are told apart (default all)",
  },
  ...seedFlag,
  json: {
    type: "string",
    value: "FILE",
    help: "write all numbers there, every dispatch's too",
    writes: { what: "file" },
  },
  against: {
    type: "string",
    value: "FILE",
    help: "say what became slower or faster since the profile that --json wrote there",
  },
  roofline: {
    type: "string",
    value: "FILE.svg",
    help: "draw every kernel under the roofline there",
    writes: { what: "file" },
  },
  report: {
    type: "string",
    value: "FILE.html",
    help: "write a page there: the roofline plot, operations, layers and kernels",
    writes: { what: "file" },
  },
  trace: {
    type: "string",
    value: "FILE",
    help: "write a trace there that ui.perfetto.dev opens",
    writes: { what: "file" },
  },
  dumpWgsl: {
    type: "string",
    value: "DIR",
    help: "write the shaders as they are run there, in the place of an earlier dump",
    writes: { what: "folder" },
  },
});

export const command = defineCommand({
  name: "profile",
  summary: "Show where the time of a step goes, by operation, kernel and layer",
  description:
    "Runs a step on made-up images, or on those of a data set, a few times as it is, and a few times with every kernel in a " +
    "pass of its own between two timestamps of the device. Each kernel's time is set against the " +
    "roofline: the time that its operations need at the adapter's peak, or its bytes (every " +
    "operand once) at the adapter's copy bandwidth, whichever is longer. Both are measured in the " +
    "same run. Operands that lie in a cache can beat the bandwidth of a copy.",
  flags,
  examples: [
    { args: "", does: "a training step of the small network" },
    { args: "--model resnet34 --batch 16 --trace trace.json", does: "with a trace for Perfetto" },
    { args: "--stage treat --layer last --json profile.json", does: "with the constraint" },
    {
      args: "--data folder --data-dir photos",
      does: "on the images there: does the device wait for them",
    },
    {
      args: "--stage treat --layer last --against profile.json",
      does: "after a change: what became slower or faster",
    },
  ],
  async run(args, context) {
    const before = args.against === undefined ? undefined : await readProfile(args.against);
    const gpu = await context.gpu();
    const { data, seed } = args;
    const { set, network, entry } = data === undefined
      ? await openMadeUp(args, seed)
      : await openOnData({ ...args, data }, seed, context.signal);
    const runtime = openRuntime(gpu, args, targets[args.target]);
    const constraint = constraintOf(args, network, set, entry.featureLayer);
    const subject = await openStage(args.stage, runtime, network, set, constraint, args.batch);
    if (data !== undefined) {
      const used = args.stage === "eval" ? { test: subject.split } : { training: subject.split };
      context.print(`${describeAccount(accountOf(set, used))}\n`);
    }
    context.print(wrap(
      `${args.model}, ${parameterCount(network).toLocaleString("en")} parameters; ` +
        `${args.stage}, ${subject.batch} images of ${set.height} x ${set.width} x ${set.channels}; ` +
        `${gpu.adapter.name}\n`,
    ));
    const bar = new Progress({ label: "profile", total: profiledSteps(args.steps), unit: "steps" });
    let found;
    try {
      found = await profile(runtime, subject, args, (done) => {
        bar.update(done);
        context.signal.throwIfAborted();
      });
    } finally {
      bar.abandon();
    }
    context.print(describe(found, args.top));

    const { steps, ...numbers } = found;
    const { dispatches } = subject.plan;
    const times = {
      kernels: timesBy(dispatches, steps, ({ kernel }) => kernel),
      layers: timesBy(dispatches, steps, ({ layer }) => layer || "(other)"),
    };
    const images = { size: set.height, channels: set.channels, classes: set.classes.length };
    const about = { adapter: gpu.adapter.name, ...args, ...images };
    if (before) {
      context.print("\n" + describeAgainst(before, { about, times }, args.against!, args.top));
    }
    if (args.json !== undefined) {
      await writeFileAtomic(args.json, JSON.stringify({ ...about, ...numbers, times }));
    }
    if (args.roofline !== undefined) {
      const title = `${args.model}, ${args.stage}: kernels under the roofline`;
      await writeFileAtomic(args.roofline, rooflinePlot(title, found.roofline, found.kernels));
    }
    if (args.report !== undefined) {
      await writeFileAtomic(
        args.report,
        profilePage({
          ...found,
          title: `${args.model}, ${args.stage}`,
          about: [
            ["Adapter", gpu.adapter.name],
            ["Images of a step", `${args.batch} of ${set.height} x ${set.width} x ${set.channels}`],
            ["A step", `${found.step.ms.toFixed(2)} ms, the mean of ${args.steps}`],
          ],
        }),
      );
    }
    if (args.trace !== undefined) {
      const trace = traceOf(subject.plan.dispatches, found.steps);
      await writeFileAtomic(args.trace, JSON.stringify(trace));
    }
    if (args.dumpWgsl !== undefined) await dumpShaders(args.dumpWgsl, subject.plan.dispatches);
    const written = [args.json, args.roofline, args.report, args.trace, args.dumpWgsl].filter(
      Boolean,
    );
    if (written.length > 0) context.print(wrap(`\nwritten to ${written.join(", ")}`));
  },
});
