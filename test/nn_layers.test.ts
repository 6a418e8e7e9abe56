/**
 * Layers under PyTorch's names: what PyTorch computes from the same weights, where it is at hand,
 * and derivatives of both orders against the oracle in float64 and finite differences.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import * as nn from "../engine/mod.ts";
import { type Module, type Parameter, run } from "../engine/nn/module.ts";
import { outside } from "../engine/nn/state.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { check, checkRules, distinct, operation, random, relativeError } from "./support/check.ts";
import { inFolder } from "./support/io.ts";
import { pythonWithTorch, runPython, torchNote } from "./support/python.ts";

/** [N, H, W, C] */
const IMAGE = [2, 6, 5, 4] as const;

/** A layer as it is written here, and in PyTorch. */
const LAYERS: readonly (readonly [torch: string, make: () => Module])[] = [
  ["GroupNorm(2, 4)", () => new nn.GroupNorm(2, 4)],
  ["GroupNorm(4, 4, affine=False, eps=0.1)", () => {
    return new nn.GroupNorm(4, 4, { affine: false, eps: 0.1 });
  }],
  ["InstanceNorm2d(4)", () => new nn.InstanceNorm2d(4)],
  ["InstanceNorm2d(4, affine=True)", () => new nn.InstanceNorm2d(4, { affine: true })],
  ["LayerNorm([4, 6, 5])", () => new nn.LayerNorm([4, 6, 5])],
  ["LocalResponseNorm(3, 0.5, 0.6, 2)", () => {
    return new nn.LocalResponseNorm(3, { alpha: 0.5, beta: 0.6, k: 2 });
  }],
  ["LocalResponseNorm(2)", () => new nn.LocalResponseNorm(2)],
  ["PReLU()", () => new nn.PReLU()],
  ["PReLU(4)", () => new nn.PReLU(4)],
  ["Hardtanh(-0.5, 0.25)", () => new nn.Hardtanh(-0.5, 0.25)],
  ["ConvTranspose2d(4, 3, 3)", () => new nn.ConvTranspose2d(4, 3, 3)],
  ["ConvTranspose2d(4, 6, (3, 2), stride=2, padding=1, output_padding=1, groups=2)", () => {
    const options = { stride: 2, padding: 1, outputPadding: 1, groups: 2 };
    return new nn.ConvTranspose2d(4, 6, [3, 2], options);
  }],
  ["ConvTranspose2d(4, 2, 2, dilation=2, bias=False)", () => {
    return new nn.ConvTranspose2d(4, 2, 2, { dilation: 2, bias: false });
  }],
  ["MaxPool2d(2, stride=1, padding=1, dilation=2)", () => {
    return new nn.MaxPool2d(2, { stride: 1, padding: 1, dilation: 2 });
  }],
  ["MaxPool2d((3, 2), stride=2, dilation=(1, 2), ceil_mode=True)", () => {
    return new nn.MaxPool2d([3, 2], { stride: 2, dilation: [1, 2], ceilMode: true });
  }],
  ["AvgPool2d(3, stride=2, padding=1, ceil_mode=True)", () => {
    return new nn.AvgPool2d(3, { stride: 2, padding: 1, ceilMode: true });
  }],
  ["AvgPool2d((2, 3), stride=2, padding=1, ceil_mode=True, count_include_pad=False)", () => {
    const options = { stride: 2, padding: 1, ceilMode: true, countIncludePad: false };
    return new nn.AvgPool2d([2, 3], options);
  }],
  ["AdaptiveMaxPool2d((2, 3))", () => new nn.AdaptiveMaxPool2d([2, 3])],
  ["LPPool2d(2, 3, stride=2)", () => new nn.LPPool2d(2, 3, { stride: 2 })],
  ["LPPool2d(4, 2)", () => new nn.LPPool2d(4, 2)],
  ["LPPool2d(2, (2, 3), ceil_mode=True)", () => new nn.LPPool2d(2, [2, 3], { ceilMode: true })],
  ["Upsample(scale_factor=2)", () => new nn.Upsample({ scaleFactor: 2 })],
  ["Upsample(size=(9, 4), mode='bilinear')", () => {
    return new nn.Upsample({ size: [9, 4], mode: "bilinear" });
  }],
  ["Upsample(scale_factor=1.5, mode='bilinear', align_corners=True)", () => {
    return new nn.Upsample({ scaleFactor: 1.5, mode: "bilinear", alignCorners: true });
  }],
  ["Upsample(size=7, mode='bicubic')", () => new nn.Upsample({ size: 7, mode: "bicubic" })],
  ["PixelShuffle(2)", () => new nn.PixelShuffle(2)],
  ["Sequential(torch.nn.ZeroPad2d((0, 1, 1, 1)), torch.nn.PixelUnshuffle(2))", () => {
    return new nn.Sequential(new nn.ZeroPad2d([0, 1, 1, 1]), new nn.PixelUnshuffle(2));
  }],
  ["ConstantPad2d((1, 0, 2, 1), 0.5)", () => new nn.ConstantPad2d([1, 0, 2, 1], 0.5)],
  ["ReflectionPad2d((2, 1, 0, 3))", () => new nn.ReflectionPad2d([2, 1, 0, 3])],
  ["ReplicationPad2d(2)", () => new nn.ReplicationPad2d(2)],
  ["Flatten()", () => new nn.Flatten()],
  // What a network does that permutes its images to have channels last, and back.
  ["Sequential(ToLast(), torch.nn.LayerNorm(4), ToFirst())", () => {
    return new nn.Sequential(new nn.Identity(), new nn.LayerNorm(4), new nn.Identity());
  }],
];

/** The layer with weights that differ, on an image of which no two elements are equal. */
function subject(make: () => Module) {
  const module = make();
  const x = distinct(IMAGE);
  const parameters = [...module.namedState()];
  for (const [, parameter] of parameters) {
    const base = parameter.initial[0] === 1 ? 1 : 0;
    parameter.initial.forEach((_, i) => parameter.initial[i] = base + 0.3 * Math.sin(7 * i + 1));
  }
  const { output } = run(module, x, { training: true });
  return { module, x, parameters, output };
}

/** Those that have a kernel's shape which nothing else has are run by the device too. */
const ON_DEVICE = [/MaxPool2d.*dilation/, /ConvTranspose2d.*groups/, /GroupNorm\(2/];

Deno.test("layers: derivatives of both orders", async () => {
  for (const [name, make] of LAYERS) {
    const { module, x, parameters } = subject(make);
    const inputs = [x, ...parameters.map(([, parameter]) => parameter)];
    const f = () => nn.square(run(module, x, { training: true }).output);
    const checked = ON_DEVICE.some((pattern) => pattern.test(name)) ? check : checkRules;
    await checked(operation(name, inputs, f));
  }
});

Deno.test("bmm: products of many matrices, with axes that are broadcast", async () => {
  const cases = [[[2, 3, 4, 5], [2, 3, 5, 2]], [[3, 4, 2], [5, 1, 2, 3]], [[2, 3, 4], [4, 2]]];
  for (const [a, b] of cases) {
    const product = operation(`bmm ${a} ${b}`, [random(a), random(b)], (x, y) => nn.bmm(x, y));
    await (a.length === 4 ? check : checkRules)(product);
  }
  const [a, b] = [random([2, 2, 3]), random([2, 3, 1])];
  const [product] = interpret([nn.bmm(a, b)]);
  const wanted = [0, 1, 2, 3].map((row) =>
    [0, 1, 2].reduce((sum, k) => {
      return sum + a.initial[3 * row + k] * b.initial[3 * Math.floor(row / 2) + k];
    }, 0)
  );
  assert.ok(relativeError(product, wanted) < 1e-7);
});

const PROGRAM = `
import json, torch
class ToLast(torch.nn.Module):
    def forward(self, x): return x.permute(0, 2, 3, 1)
class ToFirst(torch.nn.Module):
    def forward(self, x): return x.permute(0, 3, 1, 2)
results = []
for name, case in json.load(open("cases.json")).items():
    layer = eval(name if name.startswith("To") else "torch.nn." + name).double().train()
    tensor = lambda of: torch.tensor(of["data"], dtype=torch.float64).reshape(of["shape"])
    layer.load_state_dict({key: tensor(of) for key, of in case["state"].items()})
    n, h, w, c = case["x"]["shape"]
    x = tensor(case["x"]).permute(0, 3, 1, 2).contiguous().requires_grad_()
    y = layer(x)
    (y * y).sum().backward()
    last = lambda of: of.permute(0, 2, 3, 1) if of.dim() == 4 else of
    results.append([last(of).detach().flatten().tolist() for of in (y, x.grad)])
print(json.dumps(results))
`;

Deno.test(
  `layers: PyTorch's values and gradients${torchNote}`,
  { ignore: !pythonWithTorch },
  () =>
    inFolder(async (folder) => {
      const subjects = LAYERS.map(([, make]) => subject(make));
      const plain = ({ shape, data }: { shape: readonly number[]; data: ArrayLike<unknown> }) => ({
        shape,
        data: Array.from(data, Number),
      });
      const given = subjects.map(({ x, parameters }) => ({
        x: plain({ shape: x.shape, data: x.initial }),
        state: Object.fromEntries(
          parameters.map(([key, p]: [string, Parameter]) => [key, plain(outside(p, p.initial))]),
        ),
      }));
      const cases = Object.fromEntries(LAYERS.map(([name], i) => [name, given[i]]));
      await Deno.writeTextFile(join(folder, "cases.json"), JSON.stringify(cases));
      const expected: number[][][] = JSON.parse(await runPython(PROGRAM, folder));
      for (const [i, { x, output }] of subjects.entries()) {
        const found = interpret([output, nn.grad(nn.sum(nn.square(output)), [x])[0]]);
        found.forEach((value, k) => {
          const error = relativeError(value, expected[i][k]);
          assert.ok(
            error < 1e-6,
            `${LAYERS[i][0]}: ${["value", "gradient"][k]} is off by ${error}`,
          );
        });
      }
    }),
);
