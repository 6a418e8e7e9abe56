/** Measures the variants of the kernels that a step runs, and keeps the fastest for later runs. */

import { requireTuningFile, tuningKey, writeTuning } from "../engine/host/tuning.ts";
import { tunableClasses, tune, type Tuned } from "../engine/tune/tune.ts";
import { wrap } from "../engine/prose.ts";
import { constraintOf } from "./constraint_flags.ts";
import { openRuntime } from "./exact.ts";
import { defineCommand } from "./framework/command.ts";
import { flagTable } from "./framework/flags.ts";
import { Progress } from "./framework/progress.ts";
import { table, WIDE } from "./framework/table.ts";
import { openMadeUp, openStage, stageFlags } from "./profile/stage.ts";

const flags = flagTable({
  ...stageFlags,
  all: { type: "boolean", help: "show every variant's time, not only the fastest" },
});

export const command = defineCommand({
  name: "tune",
  summary: "Measure variants of a step's kernels, and keep the fastest for this adapter",
  description:
    "Kernels come in variants that compute the same, bit by bit, and differ in speed. Each variant " +
    "for each size in the step is checked, then timed in turns with the others; the fastest is timed " +
    "anew beside the one that a rule chooses, and kept where it wins again. Later runs take " +
    "what was kept. The choices are kept in the user's cache folder, a file an adapter and driver. " +
    "MODEL_DOCTOR_TUNING names another folder, or is off: then nothing is kept or read.",
  flags,
  examples: [
    { args: "--model resnet34 --batch 128", does: "for a ResNet's training step" },
    { args: "--model resnet34 --batch 128 --stage treat", does: "and for the constraint's" },
    { args: "--model vgg16 --all", does: "with the time of every variant" },
  ],
  async run(args, context) {
    const gpu = await context.gpu();
    const key = await tuningKey(gpu);
    const file = await requireTuningFile(key);
    const { set, network, entry } = await openMadeUp(args);
    const runtime = openRuntime(gpu, args);
    const constraint = constraintOf(args, network, set, entry.featureLayer);
    const { plan } = await openStage(args.stage, runtime, network, set, constraint);
    const classes = tunableClasses(plan.dispatches);
    plan.destroy();
    runtime.destroy();
    context.print(
      wrap(`${args.model}, ${args.stage}, batch ${args.batch}; ${gpu.adapter.name}\n`),
    );
    if (classes.length === 0) {
      context.print("nothing to tune: no kernel of this step has variants on this adapter");
      return;
    }
    const found: Tuned[] = [];
    const bar = new Progress({ label: "tune", total: classes.length, unit: "kernels" });
    try {
      bar.update(0);
      for await (const tuned of tune(gpu, classes)) {
        // What is measured is kept at once, so that nothing is lost where the rest is stopped.
        await writeTuning(key, new Map([[tuned.shapeClass, tuned.choice]]));
        found.push(tuned);
        bar.update(found.length);
        if (args.all) bar.log(variantsOf(tuned));
        context.signal.throwIfAborted();
      }
    } finally {
      bar.abandon();
    }
    context.print(`${describe(found)}\n\nkept in ${file}`);
  },
});

const milliseconds = (ms: number) => ms.toFixed(3);

function describe(found: readonly Tuned[]): string {
  const total = (of: (tuned: Tuned) => number) =>
    found.reduce((sum, tuned) => sum + tuned.calls * of(tuned), 0);
  const row = (
    ...[name, calls, untuned, ms, flops, gain]: [string, number, number, number, number, string]
  ) => [
    `${calls}`,
    milliseconds(untuned),
    milliseconds(ms),
    gain,
    (flops / ms / 1e6).toFixed(0),
    name,
  ];
  const rows = found.map((tuned) => {
    const { label, calls, choice, flops } = tuned;
    const name = `${label}: ${choice.variant}`;
    return row(name, calls, choice.untunedMs, choice.ms, flops, gainOf(tuned));
  });
  const all = row(
    "all, by calls",
    total(() => 1),
    total(({ choice }) => choice.untunedMs),
    total(({ choice }) => choice.ms),
    total(({ flops }) => flops),
    `${(total(({ choice }) => choice.untunedMs) / total(({ choice }) => choice.ms)).toFixed(2)} x`,
  );
  const header = [
    "calls",
    "rule's ms",
    "kept ms",
    "gain (surely)",
    "GFLOP/s",
    "kernel: kept variant",
  ];
  return table(header, [...rows, all], { width: WIDE });
}

/** What the fastest variant gained over the rule's, timed anew; what is not sure is not kept. */
function gainOf({ measured, untuned }: Tuned): string {
  const gain = measured.find((variant) => variant.gain)?.gain;
  if (!gain) {
    return measured.some(({ name, ms }) => name === untuned && ms) ? "none" : "the rule's fails";
  }
  const spread = `${gain.ratio.toFixed(2)} x (${gain.low.toFixed(2)} to ${gain.high.toFixed(2)})`;
  return gain.isStable ? spread : `${spread}, noise`;
}

/** Every variant of a class, the fastest first. */
function variantsOf({ label, measured, untuned }: Tuned): string {
  const rows = measured.toSorted((a, b) => (a.ms ?? Infinity) - (b.ms ?? Infinity))
    .map(({ name, ms, refused }) => [
      ms === undefined ? "-" : milliseconds(ms),
      name,
      refused ?? (name === untuned ? "untuned" : ""),
    ]);
  return `${wrap(label)}\n${table(["ms", "variant", ""], rows, { width: WIDE })}\n`;
}
