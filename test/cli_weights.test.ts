/** Weights that are given to a command: which of a file's dicts it takes, and whose they are. */
import assert from "node:assert/strict";
import { fittingWeights } from "../cli/weights.ts";
import { ExitCode } from "../engine/errors.ts";
import type { HostTensor, TensorDict } from "../engine/io/host_tensor.ts";
import { stateShape } from "../engine/nn/state.ts";
import { createClassifier } from "../models/classifier.ts";
import { classifier } from "../models/registry.ts";
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
  return printed;
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

Deno.test("of several weights in a file that fit it is said which are taken, and what is left out", () => {
  assert.deepEqual(fitting("small", dictOf("small")), []);
  assert.deepEqual(fitting("small", dictOf("small", "model"), dictOf("small", "ema")), [
    "weights  model of f.pth; ema fits as well",
  ]);
  assert.deepEqual(fitting("small", dictOf("resnet18", "teacher"), dictOf("small", "student")), []);
  assert.deepEqual(fitting("small", dictOf("small", "", "model.", { "criterion.weight": [3] })), [
    "weights  what is under model. in f.pth; left out: criterion.weight",
  ]);
});
