/**
 * Checks this engine against numbers made elsewhere. models/README.md has the PyTorch program that
 * makes a case for any classifier.
 */

import { resolveLayers } from "../engine/doctor/layers.ts";
import { compare, type Comparison, compute, TOLERANCES } from "../engine/doctor/verify.ts";
import { verifyCase, wrong } from "../engine/doctor/verify_case.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { readBytes, writeFileAtomic } from "../engine/io/files.ts";
import { decodeSafetensors, encodeSafetensors } from "../engine/io/safetensors.ts";
import { printable } from "../engine/printable.ts";
import { createClassifier } from "../models/classifier.ts";
import { modelChoices } from "./model_flags.ts";
import { exactFlag, openRuntime } from "./exact.ts";
import { defineCommand } from "./framework/command.ts";
import { table } from "./framework/table.ts";
import { classifierOrFile, isModelFile } from "./model_file.ts";

export const command = defineCommand({
  name: "verify",
  summary: "Check this engine against numbers made elsewhere, such as by PyTorch",
  description:
    "A case is a safetensors file with a classifier's weights (state.<key>), input (B, C, H, W), " +
    "labels (B), mask (K, channels), background (B, 1, h, w), metadata (model, in_channels, " +
    "num_classes, layer, alpha), and any of expect.logits_eval, aggregate_eval, logits_train, " +
    "loss_cls, loss_channel, loss_spatial, grads_cls.<key>, grads_total.<key> and " +
    "grads_spatial.<key>; models/README.md has the PyTorch code that makes one. Each tensor's relative " +
    "L2 error is shown; a gradient that is zero but for rounding (less than 1e-5 of its loss's " +
    "gradient over all parameters) is held against a thousandth of that. Exits 1 past the " +
    "tolerance.",
  flags: {
    case: {
      type: "string",
      positional: true,
      required: true,
      value: "CASE.safetensors",
      help: "the case",
    },
    model: {
      type: "choice",
      ...modelChoices,
      help: "the classifier (default the one that the case names)",
    },
    tol: {
      type: "number",
      above: 0,
      max: 1,
      help: `largest relative error (default ${TOLERANCES.values} for logits and losses, ` +
        `${TOLERANCES.gradients} for gradients)`,
    },
    dump: {
      type: "string",
      value: "OUT.safetensors",
      writes: { what: "file" },
      help: "compute all that the case allows and write it, named without expect.",
    },
    ...exactFlag,
    json: { type: "boolean", help: "print one JSON object" },
  },
  examples: [
    { args: "resnet34.safetensors", does: "every tensor that the case expects" },
    { args: "case.safetensors --model my.onnx", does: "of a network in a file" },
    { args: "case.safetensors --tol 1e-5 --dump ours.safetensors", does: "and keep our numbers" },
  ],
  async run(args, context) {
    const bytes = await readBytes(args.case, ExitCode.weights);
    const c = verifyCase(decodeSafetensors(bytes, args.case), args.case);
    const [, , imageSize, width] = c.input.shape;
    if (imageSize !== width) {
      throw wrong(c.name, `its images are ${imageSize} x ${width}, not square`);
    }
    const model = args.model ?? c.model;
    // A file may be a program: it is run where the command line names it, and not where data does.
    if (args.model === undefined && isModelFile(model)) {
      throw new UserError(
        `${c.name} names no model that is known here, but a file: ${printable(model)}`,
        ExitCode.usage,
        "give the file: --model FILE",
      );
    }
    const entry = await classifierOrFile(model);
    const network = createClassifier(entry, { ...c, imageSize });
    const layers = resolveLayers(network, [c.layer], entry.featureLayer);
    if (layers.length !== 1) throw wrong(c.name, `its layer ${c.layer} means ${layers.length}`);
    if (c.expected.size === 0 && args.dump === undefined) {
      throw wrong(c.name, "it expects nothing, and without --dump there is nothing to do");
    }

    const gpu = await context.gpu();
    const all = args.dump !== undefined;
    const computed = await compute(openRuntime(gpu, args), network, layers[0], c, all);
    const rows = compare(c, computed, args.tol);
    if (args.dump !== undefined) await writeFileAtomic(args.dump, encodeSafetensors(computed));
    const passes = rows.every((row) => row.passes);
    const facts = { model, layer: layers[0], adapter: gpu.adapter.name, passes };
    context.print(
      args.json ? JSON.stringify({ ...facts, tensors: rows }, null, 2) : describe(rows),
    );
    return passes ? ExitCode.ok : ExitCode.failure;
  },
});

const GATES =
  "The values agree and gradients don't: where the input of a ReLU lies within a rounding " +
  "error of\nzero, float32 may open it and float64 shut it, and all gradients before it move. " +
  "models/README.md\nsays how far.";

/** Whether turned gates can be the cause: only gradients are off, and none of them much. */
function mayBeGates(failed: readonly Comparison[]): boolean {
  const alike = ({ name, error }: Comparison) => name.startsWith("grads_") && error < 0.2;
  return failed.length > 0 && failed.every(alike);
}

function describe(rows: readonly Comparison[]): string {
  if (rows.length === 0) return "the case expects nothing";
  const cells = rows.map(({ name, norm, error, tolerance, passes }) => [
    name,
    norm.toExponential(3),
    error.toExponential(1),
    tolerance.toExponential(0),
    passes ? "" : "PAST",
  ]);
  const failed = rows.filter(({ passes }) => !passes);
  const worst = rows.reduce((a, b) => b.error / b.tolerance > a.error / a.tolerance ? b : a);
  const count = failed.length === 0
    ? `all ${rows.length} tensors are within the tolerance`
    : `${failed.length} of ${rows.length} tensors past the tolerance`;
  const end = `${count}; the largest error for its tolerance is ${worst.error.toExponential(1)}, ` +
    `of ${worst.name}`;
  const shown = table(["tensor", "norm", "relative error", "tolerance", ""], cells);
  return [shown, "", end, ...(mayBeGates(failed) ? [GATES] : [])].join("\n");
}
