/**
 * torchvision's ImageNet classifiers against torchvision: keys and shapes of the state dict, and
 * logits from weights and images made by a formula (test/reference/torchvision_logits.py makes the
 * expected ones, in float64, at 64 x 64 pixels). The heavy ones run
 * with MODEL_DOCTOR_ALL_MODELS=1.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { stateShape } from "../engine/nn/fit.ts";
import { type Module, run } from "../engine/nn/module.ts";
import { checkStateDict, inside, loadStateDict, type StateDict } from "../engine/nn/state.ts";
import { type Tensor, Variable } from "../engine/tensor/tensor.ts";
import { classifier } from "../models/registry.ts";
import expected from "./reference/torchvision_logits.json" with { type: "json" };
import { relativeError, testRuntime } from "./support/check.ts";
import { float64 } from "../engine/reference/float64.ts";
import { whyNot } from "./support/models.ts";
import { referenceImages, referenceState } from "./support/reference.ts";

const fullName = (name: string) => `torchvision_${name}`;

const SEED = 3;
const BATCH = 4;
const SIZE = 64;
/** Its first linear layer is larger than a buffer of a CPU adapter may be: it runs in float64. */
const HUGE = "vgg16_bn";
const ALWAYS = ["resnet18", "resnet34", "mobilenet_v2", "googlenet"].map(fullName);
const TOLERANCE = 1e-4;

const create = (name: string, imageSize = SIZE): Module =>
  classifier(fullName(name)).create({ inChannels: 3, numClasses: 10, imageSize });

for (const [name, { keys, sha256, parameters }] of Object.entries(expected)) {
  Deno.test(`torchvision's ${name} has its state dict's keys and shapes`, () => {
    const network = create(name, 224);
    const state = [...network.namedState()];
    assert.equal(state.length, keys);
    const lines = state.map(([key, parameter]) => `${key} ${stateShape(parameter).join(",")}\n`);
    const digest = createHash("sha256").update(lines.join("")).digest("hex");
    assert.equal(digest, sha256, `torchvision_logits.py makes this of\n${lines.join("")}`);
    const sizes = [...network.namedParameters()].map(([, { size }]) => size);
    assert.equal(sizes.reduce((a, b) => a + b), parameters);
  });

  const note = whyNot(fullName(name), ALWAYS);
  Deno.test(`torchvision's ${name} has its logits${note}`, { ignore: note !== "" }, async () => {
    const network = create(name);
    const data = referenceImages({ seed: SEED, batch: BATCH, in_channels: 3 }, SIZE);
    const images = new Variable("images", [BATCH, SIZE, SIZE, 3], data);
    const logits = [false, true].map((training) => run(network, images, { training }).output);
    const found = await (name === HUGE ? inFloat64 : onGpu)(network, logits);
    const { logits_eval, logits_train } = expected[name as keyof typeof expected];
    for (const [i, wanted] of [logits_eval, logits_train].entries()) {
      const error = relativeError(found[i], wanted.flat());
      assert.ok(error <= TOLERANCE, `${["eval", "train"][i]}: the relative error is ${error}`);
    }
  });
}

const weightsOf = (network: Module) => referenceState(network, SEED);

async function onGpu(network: Module, logits: readonly Tensor[]): Promise<ArrayLike<number>[]> {
  const runtime = await testRuntime();
  try {
    loadStateDict(network, weightsOf(network), runtime, "the formula");
    return await runtime.evaluate(logits);
  } finally {
    runtime.destroy();
  }
}

function inFloat64(network: Module, logits: readonly Tensor[]): ArrayLike<number>[] {
  const state = weightsOf(network);
  const given = [...network.namedState()].filter(([key]) => state.has(key))
    .map(([key, parameter]) => [parameter, inside(parameter, state.get(key)!)] as const);
  return float64(logits, new Map(given)).values;
}

Deno.test("torchvision's files load: auxiliary classifiers are left out, old names understood", () => {
  const state = (name: string, rename: (key: string) => string): StateDict => {
    const entries = [...create(name, 32).namedState()].map(([key, parameter]) => {
      const shape = stateShape(parameter);
      return [rename(key), {
        dtype: "F32",
        shape,
        data: new Float32Array(parameter.size),
      }] as const;
    });
    return new Map(entries);
  };
  const googlenet = state("googlenet", (key) => `module.${key}`);
  const extra = { dtype: "F32", shape: [10, 1024], data: new Float32Array(10240) } as const;
  googlenet.set("module.aux1.fc2.weight", extra);
  checkStateDict(create("googlenet"), googlenet, "googlenet.pth");
  googlenet.set("module.aux3.fc2.weight", extra);
  assert.throws(
    () => checkStateDict(create("googlenet"), googlenet, "googlenet.pth"),
    /unexpected aux3\.fc2\.weight/,
  );
  const old = state("densenet121", (key) => key.replace(/(denselayer\d+\.\w+)([12])/, "$1.$2"));
  assert.ok(old.has("features.denseblock1.denselayer1.norm.1.weight"));
  checkStateDict(create("densenet121"), old, "densenet121.pth");
});
