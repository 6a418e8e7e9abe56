/** Every command that takes a model's name takes a network in a file in its place. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import type { HostTensor } from "../engine/io/host_tensor.ts";
import { encodeSafetensors } from "../engine/io/safetensors.ts";
import { fail, succeed } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";
import { fileOf, smallFile, smallTensors } from "./support/onnx_network.ts";

const SCRIPT = `
import { Conv2d, globalAvgPool, Linear, Module, relu } from "@model-doctor/engine";

class Mine extends Module {
  constructor({ inChannels, numClasses }) {
    super();
    this.conv = new Conv2d(inChannels, 8, 3, { stride: 4 });
    this.fc = new Linear(8, numClasses);
  }
  forward(x, pass) {
    return this.fc.apply(globalAvgPool(relu(this.conv.apply(x, pass))), pass);
  }
}
export default { name: "mine", featureLayer: "conv", create: (options) => new Mine(options) };
`;

/** The commands that a script is given to. */
const FEW = ["sift", "table", "bench", "gradcheck"];

const few = ["--limit", "40"];
const short = [...few, "--batch", "8", "--treat-epochs", "1"];
const kernels = ["--images-per-class", "1"];

/** The commands for a model; those that look at a trained one get its weights. */
const commandsFor = (
  model: string,
  weights: readonly string[],
  out: (name: string) => string,
): string[][] => [
  ["sift", "--model", model, ...weights, ...few, "--out", out("sift")],
  ["study", "correlation", "--model", model, ...weights, ...few, "--out", out("correlation")],
  [
    ...["study", "noise", "--model", model, ...weights, ...few, "--out", out("noise")],
    ...["--levels", "1", "--draws", "1", ...kernels],
  ],
  [
    ...["study", "sweep", "--model", model, ...weights, ...short, "--out", out("sweep")],
    ...["--alpha", "1", ...kernels],
  ],
  [
    ...["study", "findings", "--model", model, "--out", out("findings"), "--images", "200"],
    ...["--faults", "none", "--seeds", "1", "--epochs", "1", ...kernels],
  ],
  [
    ...["table", "--models", `small,${model}`, "--seeds", "1", ...short, "--test-limit", "20"],
    ...["--epochs", "1", "--measures", "none", "--arms", "treated", ...kernels],
    ...["--out", out("table")],
  ],
  ["profile", "--model", model, "--batch", "2", "--steps", "1"],
  ["bench", "--steps", "--models", model, "--step-batch", "2", "--rounds", "1", "--window", "1"],
  ["tune", "--model", model, "--batch", "2", "--stage", "eval"],
  ["gradcheck", model, "--order", "1"],
  ["models", "describe", model],
  ["graph", model, "--target", "gpu"],
  ["kernel", "list", "--of", model, "--target", "gpu"],
];

Deno.test("every command takes a file of ONNX or TypeScript for a model", () =>
  inFolder(async (folder) => {
    const [onnx, script] = ["my net.onnx", "mine.ts"].map((name) => join(folder, name));
    await Deno.writeFile(onnx, smallFile());
    await Deno.writeTextFile(script, SCRIPT);
    const trained = join(folder, "trained");
    await succeed("train", "--model", script, ...few, "--epochs", "1", "--out", trained);
    Deno.env.set("MODEL_DOCTOR_TUNING", join(folder, "tuning"));
    try {
      const weights = ["--weights", join(trained, "model.safetensors")];
      for (const [model, own] of [[onnx, []], [script, weights]] as const) {
        const out = (name: string) => join(folder, `${name}.${own.length}`);
        for (const command of commandsFor(model, own, out)) {
          // One way of opening them is behind all of these, so that a few tell of the other kind.
          if (model === onnx || FEW.includes(command[0])) await succeed(...command);
        }
        const cells = [...Deno.readDirSync(join(out("table"), "cells"))].map(({ name }) => name);
        const stem = own.length > 0 ? "mine" : "my_net";
        assert.deepEqual(
          cells.map((name) => name.replace(/-\w{8}-seed-0$/, "")).sort(),
          [`shapes-${stem}`, "shapes-small"].sort(),
        );
      }
    } finally {
      Deno.env.delete("MODEL_DOCTOR_TUNING");
    }
  }));

Deno.test("a file's own images and classes are what it is looked at with", () =>
  inFolder(async (folder) => {
    const model = join(folder, "seven.onnx");
    await Deno.writeFile(model, fileOf(7));
    const args = ["profile", "--model", model, "--batch", "2", "--steps", "1"];
    assert.match(await succeed(...args), /2\s+images\s+of\s+32\s+x\s+32\s+x\s+3/);
    await fail(ExitCode.usage, /tells 7 classes, and the data has 9/, ...args, "--classes", "9");
    await fail(ExitCode.usage, /--models: there is no model x.onx/, "table", "--models", "x.onx");
  }));

Deno.test("verify takes a network in a file from the command line, and from there alone", () =>
  inFolder(async (folder) => {
    const [model, path, dump] = ["my.onnx", "case.safetensors", "ours.safetensors"]
      .map((name) => join(folder, name));
    await Deno.writeFile(model, smallFile());
    const floats = (shape: number[], values: ArrayLike<number>): HostTensor => ({
      ...{ dtype: "F32", shape, data: Float32Array.from(values) },
    });
    const images = Array.from({ length: 2 * 3 * 32 * 32 }, (_, i) => Math.sin(i * i));
    const tensors = new Map<string, HostTensor>([
      ["input", floats([2, 3, 32, 32], images)],
      ["labels", { dtype: "I64", shape: [2], data: BigInt64Array.of(1n, 2n) }],
      // As PyTorch counts, and no ONNX file.
      ["state.stem_bn.num_batches_tracked", {
        ...{ dtype: "I64", shape: [], data: BigInt64Array.of(0n) },
      }],
    ]);
    for (const [key, { shape, values }] of Object.entries(smallTensors)) {
      tensors.set(`state.${key}`, floats([...shape], values as number[]));
    }
    const metadata = {
      ...{ model: "my.onnx", in_channels: "3", num_classes: "10" },
      ...{ layer: "blocks.0.conv", alpha: "1" },
    };
    await Deno.writeFile(path, encodeSafetensors(tensors, metadata));
    await fail(
      ExitCode.usage,
      /but a file: my\.onnx[^]*--model FILE/,
      "verify",
      path,
      "--dump",
      dump,
    );
    await succeed("verify", path, "--model", model, "--dump", dump);
    assert.ok((await Deno.stat(dump)).size > 1000);
  }));
