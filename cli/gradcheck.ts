/** Checks derivatives of any order of an expression or a classifier, two ways. */

import { ExitCode } from "../engine/errors.ts";
import { type Gradcheck, gradcheck, type Row, titleOf } from "../engine/lab/gradcheck.ts";
import { wrap } from "../engine/prose.ts";
import { showShape } from "../engine/tensor/shape.ts";
import { exactFlag, openRuntime } from "./exact.ts";
import { defineCommand } from "./framework/command.ts";
import { flagTable } from "./framework/flags.ts";
import { Progress } from "./framework/progress.ts";
import { table } from "./framework/table.ts";
import { openSubject, subjectFlags, whatFlag } from "./lab/subject.ts";

const flags = flagTable({
  ...whatFlag,
  ...subjectFlags("what", { size: 16, batch: 2 }),
  order: { type: "integer", min: 0, max: 6, default: 2, help: "how often it is differentiated" },
  ...exactFlag,
  json: { type: "boolean", help: "print JSON" },
});

export const command = defineCommand({
  name: "gradcheck",
  summary: "Check derivatives of any order, of an expression or a classifier",
  description:
    "Holds the engine against the same graph in float64, and that against finite differences, for " +
    "the value and for the gradient of each input in every order. A gradient of order k is that of " +
    "the gradients of order k - 1, weighted by random numbers. What float32 may be off by is " +
    "measured: the graph is evaluated once more with every operation rounded to float32. A gradient " +
    "that fails leaves exit code 1.",
  flags,
  examples: [
    {
      args: '"conv2d(x, w, {stride: 2})" --shapes x=1x7x7x2,w=3x3x2x4 --order 3',
      does: "a strided convolution, three times",
    },
    { args: '"log(x) * x" --range 0.5,2', does: "of positive numbers" },
    { args: "small --size 8 --width 0.25", does: "the loss of a narrow network" },
  ],
  async run(args, context) {
    const subject = await openSubject(args);
    const gpu = await context.gpu();
    const runtime = openRuntime(gpu, args);
    const bar = new Progress({
      label: "gradcheck",
      total: subject.inputs.length * args.order,
      unit: "gradients",
    });
    let found: Gradcheck;
    try {
      found = await gradcheck(runtime, subject, {
        orders: args.order,
        seed: args.seed,
        onRow: (done) => {
          bar.update(done);
          context.signal.throwIfAborted();
        },
      });
    } finally {
      bar.abandon();
      runtime.destroy();
    }
    context.print(args.json ? JSON.stringify(found, null, 2) : describe(found));
    if (!found.rows.every(({ ok }) => ok)) return ExitCode.failure;
  },
});

function describe({ rows, constantFrom, turned }: Gradcheck): string {
  const wrong = rows.filter(({ ok }) => !ok).length;
  const remarks = [
    "norm: of the gradient in float64; engine: its relative error, and what rounding allows; " +
    "differences: how far float64 is from finite differences, 1e-6 allowed",
    constantFrom !== undefined &&
    `from order ${constantFrom} on everything is zero: no path leads to an input`,
    turned > 0 &&
    `${turned} elements lie so near a kink that float32 decides otherwise than float64; the engine's ` +
      "decisions were taken over",
    wrong === 0 ? `all ${rows.length} are right` : `${wrong} of ${rows.length} are wrong`,
  ];
  const header = ["gradient", "shape", "norm", "engine", "allowed", "differences", ""];
  return [
    table(header, rows.map(cells)),
    ...remarks.filter((remark) => remark !== false).map((remark) => wrap(remark)),
  ].join("\n\n");
}

function cells(row: Row): string[] {
  const { shape, norm, engine, allowed, differences, ok } = row;
  return [
    titleOf(row),
    showShape(shape),
    norm.toPrecision(4),
    engine.toExponential(1),
    allowed.toExponential(0),
    differences === undefined ? "" : differences.toExponential(1),
    ok ? "ok" : "WRONG",
  ];
}
