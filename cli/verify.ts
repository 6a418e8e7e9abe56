/**
 * Checks this engine against numbers made elsewhere. This makes a case with PyTorch, for any
 * network whose state dict has the names of a classifier here (`deno task models`):
 *
 * ```python
 * import torch
 * import torch.nn.functional as F
 * from safetensors.torch import save_file
 *
 * def make_case(path, name, model, layer, x, labels, mask, background=None, alpha=10.0):
 *     """model: a torch.nn.Module, named `name` here; layer: the name of one of its modules;
 *     x (B, C, H, W); labels (B) int64; mask (K, channels of the layer) of 0 and 1;
 *     background (B, 1, h, w) at the layer's resolution, the left half where it isn't given."""
 *     model, x, mask = model.float().double(), x.float().double(), mask.double()
 *     for module in model.modules():
 *         if "Dropout" in type(module).__name__:
 *             module.p = 0.0
 *     case = {"input": x.float(), "labels": labels, "mask": mask.float()}
 *     for key, value in model.state_dict().items():
 *         case[f"state.{key}"] = value.float() if value.is_floating_point() else value
 *     case = {key: value.clone() for key, value in case.items()}
 *     parameters = dict(model.named_parameters())
 *
 *     def forward():
 *         outputs = []
 *         def keep(module, inputs, output):  # a copy goes on: what follows may work in place
 *             outputs.append(output)
 *             return output.clone()
 *         hook = dict(model.named_modules())[layer].register_forward_hook(keep)
 *         logits = model(x)
 *         hook.remove()
 *         return logits, outputs[-1]
 *
 *     def score_gradient(logits, of, A):
 *         score = logits.gather(1, of[:, None]).mean()
 *         return torch.autograd.grad(score, A, create_graph=True)[0]
 *
 *     def expect_gradients(kind, loss):
 *         found = [None] * len(parameters)
 *         if loss.requires_grad:
 *             found = torch.autograd.grad(
 *                 loss, list(parameters.values()), retain_graph=True, allow_unused=True)
 *         for (key, parameter), g in zip(parameters.items(), found):
 *             case[f"expect.{kind}.{key}"] = torch.zeros_like(parameter) if g is None else g
 *
 *     aggregate = lambda g: g.relu().flatten(2).sum(2)
 *     model.eval()
 *     logits, A = forward()
 *     case["expect.logits_eval"] = logits
 *     case["expect.aggregate_eval"] = aggregate(score_gradient(logits, labels, A))
 *
 *     model.train()
 *     logits, A = forward()
 *     if background is None:
 *         background = torch.zeros(len(A), 1, *A.shape[2:])
 *         background[..., : (A.shape[3] + 1) // 2] = 1
 *     case["background"] = background.float()
 *     confusing = logits.detach().scatter(1, labels[:, None], -torch.inf).argmax(1)
 *     own, other = (score_gradient(logits, of, A) for of in (labels, confusing))
 *     loss = F.cross_entropy(logits, labels)
 *     terms = aggregate(other) * mask[confusing] + aggregate(own) * (1 - mask[labels])
 *     channel = terms.sum() / len(x)
 *     spatial = (background.double() * own).abs().sum()
 *     case.update({"expect.logits_train": logits, "expect.loss_cls": loss,
 *                  "expect.loss_channel": channel, "expect.loss_spatial": spatial})
 *     expect_gradients("grads_cls", loss)
 *     expect_gradients("grads_total", loss + alpha * channel)
 *     expect_gradients("grads_spatial", spatial)
 *     metadata = {"model": name, "in_channels": x.shape[1], "num_classes": logits.shape[1],
 *                 "layer": layer, "alpha": alpha}
 *     save_file({key: value.detach().contiguous() for key, value in case.items()}, path,
 *               metadata={key: str(value) for key, value in metadata.items()})
 * ```
 */

import { resolveLayers } from "../engine/doctor/layers.ts";
import { compare, type Comparison, compute, TOLERANCES } from "../engine/doctor/verify.ts";
import { verifyCase, wrong } from "../engine/doctor/verify_case.ts";
import { ExitCode } from "../engine/errors.ts";
import { readBytes, writeFileAtomic } from "../engine/io/files.ts";
import { decodeSafetensors, encodeSafetensors } from "../engine/io/safetensors.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { createClassifier } from "../models/classifier.ts";
import { classifier } from "../models/registry.ts";
import { defineCommand } from "./framework/command.ts";
import { table } from "./framework/table.ts";

export const command = defineCommand({
  name: "verify",
  summary: "Check this engine against numbers made elsewhere, such as by PyTorch",
  description:
    "A case is a safetensors file with a classifier's weights (state.<key>), input (B, C, H, W), " +
    "labels (B), mask (K, channels), background (B, 1, h, w), metadata (model, in_channels, " +
    "num_classes, layer, alpha), and any of expect.logits_eval, aggregate_eval, logits_train, " +
    "loss_cls, loss_channel, loss_spatial, grads_cls.<key>, grads_total.<key> and " +
    "grads_spatial.<key>; the README has the PyTorch code that makes one. Each tensor's relative " +
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
    tol: {
      type: "number",
      above: 0,
      help: `largest relative error (default ${TOLERANCES.values} for logits and losses, ` +
        `${TOLERANCES.gradients} for gradients)`,
    },
    dump: {
      type: "string",
      value: "OUT.safetensors",
      help: "compute all that the case allows and write it, named without expect.",
    },
    json: { type: "boolean", help: "print one JSON object" },
  },
  examples: [
    { args: "resnet34.safetensors", does: "every tensor that the case expects" },
    { args: "case.safetensors --tol 1e-5 --dump ours.safetensors", does: "and keep our numbers" },
  ],
  async run(args, context) {
    const bytes = await readBytes(args.case, ExitCode.weights);
    const c = verifyCase(decodeSafetensors(bytes, args.case), args.case);
    const [, , imageSize, width] = c.input.shape;
    if (imageSize !== width) {
      throw wrong(c.name, `its images are ${imageSize} x ${width}, not square`);
    }
    const entry = classifier(c.model);
    const network = createClassifier(entry, { ...c, imageSize });
    const layers = resolveLayers(network, [c.layer], entry.featureLayer);
    if (layers.length !== 1) throw wrong(c.name, `its layer ${c.layer} means ${layers.length}`);
    if (c.expected.size === 0 && args.dump === undefined) {
      throw wrong(c.name, "it expects nothing, and without --dump there is nothing to do");
    }

    const gpu = await context.gpu();
    const all = args.dump !== undefined;
    const computed = await compute(new Runtime(gpu), network, layers[0], c, all);
    const rows = compare(c, computed, args.tol);
    if (args.dump !== undefined) await writeFileAtomic(args.dump, encodeSafetensors(computed));
    const passes = rows.every((row) => row.passes);
    const facts = { model: c.model, layer: layers[0], adapter: gpu.adapter.name, passes };
    context.print(
      args.json ? JSON.stringify({ ...facts, tensors: rows }, null, 2) : describe(rows),
    );
    return passes ? ExitCode.ok : ExitCode.failure;
  },
});

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
  return `${table(["tensor", "norm", "relative error", "tolerance", ""], cells)}\n\n${end}`;
}
