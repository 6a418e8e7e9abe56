/** The whole method on a small data set: the control, the comparison, resumption, given weights. */

import assert from "node:assert/strict";
import { join } from "node:path";
import {
  checkTreatment,
  treat,
  type TreatOptions,
  type TreatResult,
} from "../engine/doctor/treat.ts";
import { wilson } from "../engine/doctor/statistics.ts";
import { ExitCode } from "../engine/errors.ts";
import { fileExists, readBytes } from "../engine/io/files.ts";
import { decodeNpy } from "../engine/io/npy.ts";
import { decodeSafetensors } from "../engine/io/safetensors.ts";
import type { StateDict } from "../engine/nn/state.ts";
import type { Runtime } from "../engine/plan/runtime.ts";
import { RunFolder } from "../engine/train/run_folder.ts";
import { inFolder, userError } from "./support/io.ts";
import {
  abortAtLook,
  CLASSES,
  differs,
  freshRuntime,
  never,
  sameState,
  tinyNet,
  tinySet,
  withoutTime,
} from "./support/train.ts";

const options: TreatOptions = {
  epochs: 2,
  treatEpochs: 2,
  batch: 16,
  lr: 0.05,
  treatLr: 0.02,
  momentum: 0.9,
  weightDecay: 5e-4,
  form: "paper",
  alpha: 10,
  beta: 0.1,
  theta: 0.2,
  imagesPerClass: 5,
  layers: ["features.0", "features.4"],
  noise: 0.1,
  noiseCopies: 2,
  seed: 3,
  validation: 0.2,
};

const STAGES = ["baseline", "control", "treated"];

let runtime: Promise<Runtime> | undefined;

/** A treatment of the tiny network in a folder, new or resumed. */
async function run(
  path: string,
  changes: Partial<TreatOptions> = {},
  signal: AbortSignal = never,
): Promise<{ result: TreatResult; notes: string[] }> {
  const shared = await (runtime ??= freshRuntime());
  const notes: string[] = [];
  const folder = await fileExists(join(path, "config.json"))
    ? (await RunFolder.resume(path)).folder
    : await RunFolder.create(path, {});
  const nothing = () => {};
  try {
    const settings = { ...options, ...changes };
    const result = await treat(shared, tinyNet(settings.seed), tinySet, folder, settings, {
      ...{ signal, progress: nothing, epoch: nothing, looked: nothing },
      stage: (name, what) => notes.push(`${name}: ${what}`),
      note: (text) => notes.push(text),
    });
    return { result, notes };
  } finally {
    shared.destroy();
  }
}

async function stateOf(folder: string, stage: string): Promise<StateDict> {
  const path = join(folder, `${stage}.safetensors`);
  return decodeSafetensors(await readBytes(path), path).tensors;
}

/** The records of metrics.jsonl. */
const records = (folder: string) =>
  Deno.readTextFileSync(join(folder, "metrics.jsonl")).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("without a constraint the treated model is the control, bit for bit", () =>
  inFolder(async (folder) => {
    const [plain, treated] = [join(folder, "plain"), join(folder, "treated")];
    const { result } = await run(plain, { alpha: 0, beta: 0 });
    sameState(await stateOf(plain, "control"), await stateOf(plain, "treated"));
    assert.deepEqual(result.mcnemar, { b: 0, c: 0, p: 1 });
    assert.equal(result.delta_vs_control, 0);
    assert.ok(differs(await stateOf(plain, "baseline"), await stateOf(plain, "control")));

    await run(treated);
    sameState(await stateOf(plain, "control"), await stateOf(treated, "control"));
    assert.ok(differs(await stateOf(treated, "control"), await stateOf(treated, "treated")));
  }));

Deno.test("the result is consistent in itself and with the files", () =>
  inFolder(async (root) => {
    const folder = join(root, "run");
    const { result, notes } = await run(folder, { limit: 40, testLimit: 20 });
    assert.deepEqual(result.images, { train: 31, validation: 9, test: 20 });
    for (const stage of STAGES) {
      const { test, validation, best_epoch } = result[stage as "control"];
      assert.equal(test.total, 20);
      assert.equal(test.accuracy, test.correct / 20);
      assert.deepEqual(test.interval, wilson(test.correct, 20));
      const own = records(folder).filter((record) => record.stage === stage);
      assert.deepEqual(own.map(({ epoch }) => epoch), [1, 2]);
      assert.equal(own[best_epoch! - 1].validation.accuracy, validation);
      assert.ok(result.seconds[stage] > 0);
      const extra = stage === "treated" ? ["channel", "space"] : [];
      assert.deepEqual(Object.keys(own[0].train), ["loss", ...extra, "accuracy"]);
    }
    const { control, treated, mcnemar: { b, c }, delta_interval: [low, high] } = result;
    assert.equal(c - b, treated.test.correct - control.test.correct);
    const delta = treated.test.accuracy - control.test.accuracy;
    assert.ok(Math.abs(result.delta_vs_control - delta) < 1e-12);
    assert.ok(low <= delta && delta <= high);
    assert.deepEqual(Object.keys(result.seconds).sort(), [...STAGES, "diagnose", "test"].sort());
    assert.deepEqual(names(folder), [
      ...["aggregate.features.0.npy", "aggregate.features.4.npy", "baseline.safetensors"],
      ...["config.json", "control.safetensors", "mask.features.0.npy", "mask.features.4.npy"],
      ...["metrics.jsonl", "sift.json", "treated.safetensors"],
    ]);
    const mask = decodeNpy(Deno.readFileSync(join(folder, "mask.features.4.npy")), "mask");
    assert.deepEqual(mask.shape, [CLASSES, 5]);
    assert.ok(mask.data.every((value) => value === 0 || value === 1));
    assert.ok(notes.some((note) => /features\.4: on average \d\.\d of 5 kernels/.test(note)));
  }));

Deno.test("stopped at many places and resumed, a treatment leaves the same files", () =>
  inFolder(async (root) => {
    const whole = join(root, "whole");
    const { result } = await run(whole);
    const files = names(whole).filter((name) => name !== "metrics.jsonl");
    let stops = 0;
    for (let look = 1;; look += 7) {
      const folder = join(root, `stopped at ${look}`);
      const stopped = await run(folder, {}, abortAtLook(look)).catch((error) => {
        assert.equal(error.exitCode, ExitCode.interrupted, error.stack);
      });
      if (stopped) break;
      stops++;
      const again = await run(folder);
      assert.deepEqual(withoutTime(again.result), withoutTime(result));
      assert.deepEqual(names(folder), names(whole), "no checkpoint is left");
      for (const name of files) {
        const [a, b] = [folder, whole].map((path) => Deno.readFileSync(join(path, name)));
        assert.deepEqual(a, b, `${name} after a stop at ${look}`);
      }
      assert.deepEqual(records(folder).map(withoutTime), records(whole).map(withoutTime));
    }
    assert.ok(stops >= 5, `stopped at ${stops} places`);
  }));

Deno.test("given weights are the baseline; a resumed run keeps to those it began with", () =>
  inFolder(async (root) => {
    const [first, second] = [join(root, "first"), join(root, "second")];
    await run(first, { epochs: 1, treatEpochs: 1 });
    const state = await stateOf(first, "control");
    // Files from before PyTorch 0.4 have no counters.
    state.delete("features.1.num_batches_tracked");
    const weights = { path: "control.safetensors", state };
    const stopped = run(second, { weights }, abortAtLook(12));
    await assert.rejects(stopped, /interrupted/);
    const begun = await stateOf(second, "baseline");
    for (const [name, { data }] of state) assert.deepEqual(begun.get(name)!.data, data, name);
    const other = { path: "other.safetensors", state: await stateOf(first, "treated") };
    const { result } = await run(second, { weights: { ...weights, state: other.state } });
    sameState(begun, await stateOf(second, "baseline"));
    assert.equal(result.baseline.validation, undefined);
    assert.equal(result.baseline.best_epoch, undefined);
    assert.equal(result.seconds.baseline, 0);
    assert.equal(result.control.best_epoch! > 0, true);
  }));

Deno.test("what can't be treated is found before anything is done", async () => {
  const state: StateDict = new Map([
    ["fc.wieght", { dtype: "F32", shape: [1], data: new Float32Array(1) }],
  ]);
  const check = (changes: Partial<TreatOptions>) =>
    (async () => await checkTreatment(tinyNet(), tinySet, { ...options, ...changes }))();
  const error = await userError(
    check({ weights: { path: "a.safetensors", state } }),
    ExitCode.weights,
    /^a\.safetensors does not fit this model:\n {2}missing features\.0\.weight \[4, 2, 3, 3\]/,
  );
  assert.match(error.message, /unexpected fc\.wieght.*; did you mean fc\.weight\?/);
  await userError(check({ layers: ["fc"] }), ExitCode.method, /is constant/);
  await check({});
  await check({ layers: ["fc"], alpha: 0, beta: 0 });
});
