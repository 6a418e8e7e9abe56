/** The whole method on a small data set: the control, the comparison, resumption, given weights. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { withDefaults } from "../cli/framework/flags.ts";
import { type DataSet, NO_MASK } from "../engine/data/dataset.ts";
import { constraintInWords } from "../engine/doctor/constraint.ts";
import { between } from "../engine/doctor/contrasts.ts";
import { outcomesOf, type ResultFile, summarizeSeeds } from "../engine/doctor/result.ts";
import { armOptions } from "../engine/doctor/arms/arms.ts";
import { epochsFor } from "../engine/doctor/arms/budget.ts";
import { probeOptions } from "../engine/doctor/probes/probes.ts";
import { checkTreatment } from "../engine/doctor/stages.ts";
import { treat, type TreatOptions } from "../engine/doctor/treat.ts";
import { wilson } from "../engine/doctor/significance.ts";
import { ExitCode } from "../engine/errors.ts";
import { fileExists, readBytes } from "../engine/io/files.ts";
import { decodeNpy } from "../engine/io/npy.ts";
import { decodeSafetensors } from "../engine/io/safetensors.ts";
import type { StateDict } from "../engine/nn/state.ts";
import type { Runtime } from "../engine/plan/runtime.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import type { Schedule } from "../engine/train/schedule.ts";
import { relativeError } from "./support/check.ts";
import { constraintOf, type Short } from "./support/constraint.ts";
import { inFolder, namesIn, userError } from "./support/io.ts";
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

/** The models of the trials here. */
const MODELS = ["baseline", "control", "treated"];

/** Both terms of the constraint. */
const AT = { alpha: 10, beta: 0.1, layers: ["features.0", "features.4"] };

const options: TreatOptions = {
  epochs: 2,
  treatEpochs: 2,
  start: "baseline",
  batch: 16,
  lr: 0.05,
  treatLr: 0.02,
  momentum: 0.9,
  weightDecay: 5e-4,
  model: "tiny",
  constraint: constraintOf(AT),
  theta: 0.2,
  imagesPerClass: 5,
  noise: 0.1,
  noiseCopies: 2,
  seed: 3,
  validation: 0.2,
  measures: {
    ...{ probes: [], images: 20 },
    options: withDefaults(probeOptions, {
      ...{ epsilons: [4], noiseLevels: [1, 2], noiseDraws: 2, insertionSteps: 4 },
    }),
  },
  featureLayer: "features",
  ...{ budget: "steps", arms: ["control", "treated"], armOptions: withDefaults(armOptions, {}) },
};

let runtime: Promise<Runtime> | undefined;

/** A treatment of the tiny network in a folder, new or resumed. */
async function run(
  path: string,
  changes: Partial<TreatOptions> = {},
  signal: AbortSignal = never,
  set: DataSet = tinySet,
  entered: (stage: string) => void = () => {},
): Promise<{ result: ResultFile; notes: string[] }> {
  const shared = await (runtime ??= freshRuntime());
  const notes: string[] = [];
  const folder = await fileExists(join(path, "config.json"))
    ? (await RunFolder.resume(path)).folder
    : await RunFolder.create(path, {});
  const nothing = () => {};
  try {
    const settings = { ...options, ...changes };
    const result = await treat(shared, tinyNet(settings.seed), set, folder, settings, {
      ...{ signal, progress: nothing, epoch: nothing, looked: nothing },
      stage: (name, what) => {
        notes.push(`${name}: ${what}`);
        entered(name);
      },
      note: (text) => notes.push(text),
    });
    return { result, notes };
  } finally {
    shared.destroy();
  }
}

/** A signal that is aborted at the second look at it after a stage was entered. */
function abortIn(stage: string) {
  const later = abortAtLook(2);
  let isIn = false;
  const signal = {
    reason: later.reason,
    throwIfAborted: () => isIn && later.throwIfAborted(),
  } as unknown as AbortSignal;
  return { signal, entered: (name: string) => void (isIn ||= name === stage) };
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

Deno.test("without a constraint the treated model is the control, bit for bit", () =>
  inFolder(async (folder) => {
    const [plain, treated] = [join(folder, "plain"), join(folder, "treated")];
    const { result } = await run(plain, { constraint: constraintOf({ ...AT, alpha: 0, beta: 0 }) });
    sameState(await stateOf(plain, "control"), await stateOf(plain, "treated"));
    const { difference, mcnemar } = between(result.contrasts, "treated", "control")!;
    assert.deepEqual(mcnemar, { b: 0, c: 0, p: 1 });
    assert.equal(difference, 0);
    assert.ok(differs(await stateOf(plain, "baseline"), await stateOf(plain, "control")));

    await run(treated);
    sameState(await stateOf(plain, "control"), await stateOf(treated, "control"));
    assert.ok(differs(await stateOf(treated, "control"), await stateOf(treated, "treated")));
  }));

Deno.test("from scratch, the control is the baseline over again, bit for bit", () =>
  inFolder(async (root) => {
    const [folder, resumed] = [join(root, "run"), join(root, "resumed")];
    const scratch = { start: "scratch", treatLr: options.lr } as const;
    const { result } = await run(folder, scratch);
    sameState(await stateOf(folder, "baseline"), await stateOf(folder, "control"));
    assert.equal(result.arms.control.test.accuracy, result.baseline.test.accuracy);
    assert.ok(differs(await stateOf(folder, "control"), await stateOf(folder, "treated")));

    // A process that takes over a finished baseline has never seen it untrained.
    await run(resumed, scratch);
    await Deno.remove(join(resumed, "control.safetensors"));
    await run(resumed, scratch);
    sameState(await stateOf(folder, "control"), await stateOf(resumed, "control"));
  }));

Deno.test("the result is consistent in itself and with the files", () =>
  inFolder(async (root) => {
    const folder = join(root, "run");
    const { result, notes } = await run(folder, { limit: 40, testLimit: 20 });
    assert.deepEqual(result.images, { train: 31, validation: 9, test: 20, probed: 20 });
    for (const stage of MODELS) {
      const { test, validation, best_epoch } = outcomesOf(result)[stage];
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
    const { arms: { control, treated }, contrasts } = result;
    const { difference, mcnemar: { b, c }, interval: [low, high] } = contrasts[0];
    assert.equal(c - b, treated.test.correct - control.test.correct);
    const delta = treated.test.accuracy - control.test.accuracy;
    assert.ok(Math.abs(difference - delta) < 1e-12);
    assert.ok(low <= delta && delta <= high);
    assert.deepEqual(
      Object.keys(result.seconds).sort(),
      [...MODELS, "diagnose", "exhibits", "findings", "measure", "test"].sort(),
    );
    assert.deepEqual(namesIn(folder), [
      ...["SHA256SUMS", "account.json", "aggregate.features.0.npy", "aggregate.features.4.npy"],
      "baseline.safetensors",
      ...["config.json", "control.safetensors", "exhibits.json", "exhibits.safetensors"],
      "findings.json",
      ...["mask.features.0.npy", "mask.features.4.npy", "metrics.jsonl", "predictions.json"],
      ...["result.json", "sift.json", "tensorboard", "treated.safetensors"],
    ]);
    const mask = decodeNpy(Deno.readFileSync(join(folder, "mask.features.4.npy")), "mask");
    assert.deepEqual(mask.shape, [CLASSES, 5]);
    assert.ok(mask.data.every((value) => value === 0 || value === 1));
    assert.ok(notes.some((note) => /features\.4: on average \d\.\d of 5 kernels/.test(note)));
  }));

Deno.test("a constraint without strength is none, one that grows is another", () =>
  inFolder(async (root) => {
    const [none, grown] = [join(root, "none"), join(root, "grown")];
    /** How far the treated first convolution is from the control's. */
    const apart = async (folder: string) => {
      const [treated, control] = await Promise.all(
        ["treated", "control"].map((stage) => stateOf(folder, stage)),
      );
      const [a, b] = [treated, control].map((of) => of.get("features.0.weight")!.data);
      return relativeError(a as Float32Array, b as Float32Array);
    };
    const scheduled = (schedule: Schedule) => ({ constraint: constraintOf({ ...AT, schedule }) });
    await run(none, scheduled({ warmup: Infinity, course: "constant" }));
    await run(grown, scheduled({ warmup: 0.5, course: "cosine" }));
    assert.ok(await apart(none) < 1e-5, "but for rounding");
    assert.ok(await apart(grown) > 1e-3);
  }));

Deno.test("a ratio is told with its weight, and that weight gives the same run", () =>
  inFolder(async (root) => {
    const constraint = constraintOf({
      ...{ alpha: 0, beta: 0.3, form: "share", layers: ["features.0"] },
      space: { relative: true },
    });
    const { result, notes } = await run(join(root, "ratio"), { constraint });
    const { space } = result.weights!;
    assert.deepEqual(result.constraint, constraint);
    assert.ok(notes.includes(`space-wise: weight ${space} (kappa 0.3)`), notes.join("\n"));
    assert.match(
      constraintInWords(constraint, result.weights),
      new RegExp(`^space-wise as a share at weight ${space} \\(kappa 0\\.3\\) on features\\.0$`),
    );
    assert.match(constraintInWords(constraint), /at kappa 0\.3 on/);

    const plain = constraintOf({ alpha: 0, beta: space, form: "share", layers: ["features.0"] });
    const again = await run(join(root, "weight"), { constraint: plain });
    assert.deepEqual(again.result.weights, {});
    const [first, second] = ["ratio", "weight"].map((of) => stateOf(join(root, of), "treated"));
    sameState(await first, await second);
  }));

Deno.test("every measure is there, and agrees with the predictions", () =>
  inFolder(async (root) => {
    const probes = ["foreground", "fgsm", "noise", "insertion"] as const;
    const measures = { ...options.measures, probes, images: 9 };
    const { result } = await run(join(root, "run"), { measures });
    assert.equal(result.images.probed, 9);
    const text = Deno.readTextFileSync(join(root, "run", "predictions.json"));
    const { labels, ...predictions } = JSON.parse(text);
    for (const model of MODELS) {
      const { test, measures } = outcomesOf(result)[model];
      const { classes, confusion, calibration, groups, probes } = measures;
      const { predicted } = predictions[model];
      const right = predicted.filter((k: number, i: number) => k === labels[i]).length;
      assert.equal(test.correct, right);
      assert.equal(classes.reduce((sum, { correct }) => sum + correct, 0), right);
      assert.equal(confusion.flat().reduce((a, b) => a + b), labels.length);
      assert.equal(confusion.reduce((sum, row, k) => sum + row[k], 0), right);
      assert.equal(calibration.bins.reduce((sum, { images }) => sum + images, 0), labels.length);
      assert.equal(groups, undefined);
      assert.equal(probes.foreground!.images, 9);
      assert.deepEqual(probes.fgsm!.map(({ strength }) => strength), [0, 4]);
      assert.deepEqual(probes.noise!.points.map(({ strength }) => strength), [0, 1, 2]);
      assert.equal(probes.fgsm![0].accuracy, probes.noise!.points[0].accuracy);
      const { insertion, deletion } = probes.insertion!;
      const [whole, empty] = [insertion.points[4], insertion.points[0]];
      assert.equal(whole.probability, deletion.points[0].probability);
      assert.equal(empty.probability, deletion.points[4].probability);
    }
    const again = await run(join(root, "run"), { measures });
    assert.deepEqual(withoutTime(again.result), withoutTime(result));

    // Over seeds: here one that differs in the accuracy of the treated model alone.
    const { control, treated } = result.arms;
    const of = (seed: number, accuracy: number): ResultFile => ({
      ...{ ...result, seed },
      arms: { control, treated: { ...treated, test: { ...treated.test, accuracy } } },
    });
    const base = control.test.accuracy;
    const { seeds, metrics } = summarizeSeeds([of(4, base + 0.1), of(5, base + 0.2), of(6, base)]);
    assert.deepEqual(seeds, [4, 5, 6]);
    const { models, contrasts: [{ mean, deviation, interval }] } = metrics.accuracy;
    assert.deepEqual(models.control.values, [base, base, base]);
    assert.ok(Math.abs(mean - 0.1) < 1e-12 && Math.abs(deviation! - 0.1) < 1e-12);
    const reach = 4.302652729749 * 0.1 / Math.sqrt(3);
    assert.ok(Math.abs(interval![1] - 0.1 - reach) < 1e-9, `${interval}`);
    const names = ["loss", "calibration error", "worst class", "gradient in foreground"];
    for (const name of [...names, "FGSM 4/255", "noise 2", "insertion area"]) {
      assert.ok(metrics[name], name);
    }
    assert.equal(metrics["worst group"], undefined);
  }));

Deno.test("stopped at many places and resumed, a treatment leaves the same files", () =>
  inFolder(async (root) => {
    const whole = join(root, "whole");
    const { result } = await run(whole);
    // These hold times of day and durations.
    const timed = ["metrics.jsonl", "tensorboard", "result.json"];
    const files = namesIn(whole).filter((name) => !timed.includes(name));
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
      assert.deepEqual(namesIn(folder), namesIn(whole), "no checkpoint is left");
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
    assert.equal(result.arms.control.best_epoch! > 0, true);

    // Once they are copied, the file is not asked for again, not even in the middle of a stage.
    const third = join(root, "third");
    await assert.rejects(run(third, { weights }, abortAtLook(20)), /interrupted/);
    assert.ok(namesIn(third).some((name) => name.endsWith(".checkpoint.safetensors")));
    await run(third);
    sameState(begun, await stateOf(third, "baseline"));
  }));

Deno.test("a stage is gone on with by its own settings only, and what differs is said", () =>
  inFolder(async (root) => {
    const folder = join(root, "run");
    await assert.rejects(run(folder, {}, abortAtLook(2)), /interrupted/);
    const others: [Partial<TreatOptions>, RegExp][] = [
      [{ batch: 8 }, /baseline\.checkpoint\.safetensors belongs .*: batch was 16 and is 8$/],
      [{ seed: 4 }, /: seed was 3 and is 4$/],
      [{ momentum: 0.5 }, /: momentum was 0\.9 and is 0\.5$/],
      [{ weightDecay: 0 }, /: weightDecay was 0\.0005 and is 0$/],
    ];
    const weaker = { constraint: constraintOf({ ...AT, beta: 0.2 }) };
    for (const [changes, message] of others) {
      await userError(run(folder, changes), ExitCode.weights, message);
    }
    const { signal, entered } = abortIn("treated");
    await assert.rejects(run(folder, {}, signal, tinySet, entered), /interrupted/);
    const message = /treated\.checkpoint.*: constraint\.space\.weight was 0\.1 and is 0\.2$/;
    await userError(run(folder, weaker), ExitCode.weights, message);
    await run(folder);
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
  const fc = (weights: Short) => ({ constraint: constraintOf({ ...weights, layers: ["fc"] }) });
  await userError(check(fc({ alpha: 10 })), ExitCode.method, /is constant/);
  await check({});
  await check(fc({ alpha: 0 }));
});

Deno.test("no mask among the images that are trained on: found before anything is trained", () =>
  inFolder(async (folder) => {
    const { train } = tinySet;
    const rows = new Uint32Array(train.labels.length).fill(NO_MASK);
    const masks = { ...train.masks!, count: 0, rows };
    const message = /none of the \d+ images to train on has a mask.* of all \d+ training images 0/;
    const set = { ...tinySet, train: { ...train, masks } };
    await userError(run(folder, {}, never, set), ExitCode.method, message);
    assert.deepEqual(namesIn(folder), ["account.json", "config.json"]);
    await run(
      join(folder, "without"),
      { constraint: constraintOf({ ...AT, beta: 0 }) },
      never,
      set,
    );
  }));

Deno.test("with a budget of compute, arms whose steps cost less train for more epochs, kept for good", () =>
  inFolder(async (root) => {
    const folder = join(root, "run");
    const changes = { budget: "compute", treatEpochs: 1, measures: options.measures } as const;
    const costs = { control: 0.1, treated: 0.32 };
    // As an earlier process timed them: what is timed now is never the same.
    await Deno.mkdir(folder);
    await Deno.writeTextFile(join(folder, "config.json"), "{}");
    await Deno.writeTextFile(join(folder, "costs.json"), JSON.stringify(costs));
    const { result, notes } = await run(folder, changes);
    const epochs = (stage: string) => records(folder).filter((of) => of.stage === stage).length;
    assert.deepEqual(["control", "treated"].map(epochs), [3, 1]);
    assert.equal(result.arms.control.steps, 3 * result.arms.treated.steps);
    assert.ok(
      notes.includes("treated: a step takes 3.2 times the control's, so 1 epoch"),
      `${notes}`,
    );

    const timed = join(root, "timed");
    await run(timed, changes);
    const found = JSON.parse(Deno.readTextFileSync(join(timed, "costs.json")));
    assert.deepEqual(Object.keys(found), ["control", "treated"]);
    assert.ok(found.control > 0 && found.treated > 0);
    assert.deepEqual(epochsFor({ a: 1, b: 2, c: 0.4 }, 2), { a: 4, b: 2, c: 10 });
  }));
