/** Weights that are given to a command: which of a file's dicts it takes, and whose they are. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fittingWeights, openWeightsFile } from "../cli/weights.ts";
import { ExitCode } from "../engine/errors.ts";
import type { HostTensor, TensorDict } from "../engine/io/host_tensor.ts";
import { encodeSafetensors } from "../engine/io/safetensors.ts";
import { stateShape } from "../engine/nn/fit.ts";
import { createClassifier } from "../models/classifier.ts";
import { classifier } from "../models/registry.ts";
import { inFolder } from "./support/io.ts";
import { tinySet } from "./support/train.ts";

const set = { ...tinySet, height: 32, width: 32, channels: 3 };
const networkOf = (model: string) =>
  createClassifier(classifier(model), {
    inChannels: 3,
    numClasses: set.classes.length,
    imageSize: 32,
  });

/** A classifier's weights, all of them 0. */
function dictOf(
  model: string,
  place = "",
  prefix = "",
  more: Record<string, number[]> = {},
): TensorDict {
  const own = [...networkOf(model).namedState()]
    .map(([name, parameter]) => [prefix + name, stateShape(parameter)] as const);
  const shapes = new Map([...own, ...Object.entries(more)]);
  const zeros = (shape: readonly number[]): HostTensor => ({
    ...{ dtype: "F32", shape },
    data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
  });
  const read = () => new Map([...shapes].map(([name, shape]) => [name, zeros(shape)]));
  return { place, shapes, read };
}

function fitting(model: string, ...dicts: TensorDict[]): string[] {
  const printed: string[] = [];
  fittingWeights({ path: "f.pth", dicts }, networkOf(model), set, (line) => printed.push(line));
  return printed.map((line) => line.replace(/\s+/g, " "));
}

Deno.test("weights of another classifier are named as its own", () => {
  const hint = (given: string, model: string, prefix?: string) =>
    assert.throws(
      () => fitting(model, dictOf(given, "", prefix)),
      (error: Error & { hint?: string }) => {
        assert.equal((error as unknown as { exitCode: number }).exitCode, ExitCode.weights);
        assert.match(error.message, /^f\.pth does not fit this model:/);
        const whose = given.startsWith("torchvision") ? "torchvision" : given;
        assert.equal(error.hint, `these are ${whose}'s: --model ${given}`);
        return true;
      },
    );
  hint("torchvision_resnet18", "resnet18");
  hint("torchvision_resnet18", "small", "module.");
  hint("resnet18", "torchvision_resnet18", "model.");
  hint("resnet34", "resnet18");
});

Deno.test("of what a trainer's file holds the weights are taken, in a line", () => {
  const says = (line: string, ...dicts: TensorDict[]) =>
    assert.deepEqual(fitting("small", ...dicts), line === "" ? [] : [`weights f.pth: ${line}`]);
  says("", dictOf("small"));
  says("what is under state_dict", dictOf("small", "state_dict"));
  says("what is under student", dictOf("resnet18", "teacher"), dictOf("small", "student"));
  // torch.compile and DistributedDataParallel, one in the other.
  says("what is under module._orig_mod", dictOf("small", "", "module._orig_mod."));
  // Lightning, whose module has a loss with weights too.
  says(
    "what is under state_dict.model; left out: criterion.weight",
    dictOf("small", "state_dict", "model.", { "criterion.weight": [3] }),
  );
  // timm, and a trainer that keeps its average in one dict with the weights.
  says(
    "what is under state_dict; an average fits as well: --weights f.pth#state_dict_ema",
    dictOf("small", "state_dict"),
    dictOf("small", "state_dict_ema"),
  );
  says(
    "what is under ema.module",
    dictOf("resnet18", "model"),
    dictOf("small", "ema", "module."),
  );
});

Deno.test("several weights that fit are refused, and taken by name", () => {
  const dicts = [dictOf("small", "student"), dictOf("small", "teacher"), dictOf("small", "ema")];
  const given = (part?: string) => {
    const printed: string[] = [];
    const file = { path: "f.pth", dicts, part };
    fittingWeights(file, networkOf("small"), set, (line) => printed.push(line));
    return printed;
  };
  assert.throws(() => given(), {
    message: "f.pth holds several weights that fit: student, teacher, ema",
    hint: "say which: --weights f.pth#student",
  });
  assert.deepEqual(given("teacher"), ["weights  f.pth: what is under teacher"]);
  assert.deepEqual(given("ema"), ["weights  f.pth: what is under ema"]);
  assert.throws(() => given("techer"), {
    message: "f.pth has no weights called techer; did you mean teacher?",
    hint: "it has weights for this model under student, teacher, ema",
  });
});

Deno.test("weights are asked for by their name in a file after a #", () =>
  inFolder(async (folder) => {
    const [path, odd] = ["w.safetensors", "w#1.safetensors"].map((name) => join(folder, name));
    const tensors = new Map(dictOf("small").read());
    for (const file of [path, odd]) await Deno.writeFile(file, encodeSafetensors(tensors));
    assert.equal((await openWeightsFile(`${path}#ema.module`)).part, "ema.module");
    assert.equal((await openWeightsFile(path)).part, undefined);
    assert.deepEqual((await openWeightsFile(odd)).path, odd);
  }));
