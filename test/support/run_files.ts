/** The files of finished runs and studies, small and made up, by their names. */
import { encodeNpy } from "../../engine/io/npy.ts";
import { encodeSafetensors } from "../../engine/io/safetensors.ts";

const interval = [0.1, 0.9];
const share = { images: 2, correct: 1, accuracy: 0.5, interval };
const accuracy = { accuracy: 0.5, loss: 0.7, correct: 2, total: 4 };
const bins = [{ from: 0, to: 1, images: 4, accuracy: 0.5, confidence: 0.6 }];
const measures = {
  ...{ classes: [share, share], confusion: [[1, 1], [1, 1]] },
  ...{ calibration: { ece: 0.1, bins }, groups: { shares: [share, share], worst: 0 } },
};
const points = [{ strength: 0, accuracy: 0.9 }, { strength: 2, accuracy: 0.5 }];
const areas = {
  points: [{ share: 0, probability: 0.1 }, { share: 1, probability: 0.9 }],
  auc: 0.5,
};
const probes = {
  fgsm: points,
  noise: { layer: "features", unit: 1, points },
  foreground: { images: 2, saliency: 0.3, area: null, pointing: share },
  insertion: { insertion: areas, deletion: areas },
};
const outcome = {
  ...{ test: { ...accuracy, interval }, validation: 0.5, best_epoch: 1, steps: 4 },
  measures: { ...measures, probes },
};
const term = (weight: number) => ({
  ...{ form: "share", weight, layers: ["features"] },
  schedule: { warmup: 0, course: "constant" },
});
const constraint = { channel: term(0.1), space: term(0) };
const pair = { arm: "treated", against: "control" };
const mcnemar = { b: 1, c: 2, p: 1 };
const about = { model: "small", data: "shapes" };
const classes = ["disc", "ring"];

const result = {
  ...{ version: 3, ...about, classes, seed: 0, adapter: "none", parameters: 9, start: "baseline" },
  ...{ constraint, theta: 0.2, groups: ["own", "other"] },
  images: { train: 8, validation: 2, test: 4, probed: 4 },
  ...{ baseline: outcome, arms: { control: outcome, treated: outcome } },
  contrasts: [{
    ...{ ...pair, difference: 0.25, interval, mcnemar, holm: 1 },
    measures: { "worst class": { difference: 0.1, interval: null } },
  }],
  verdict: ["Nothing.", "At all."],
  seconds: { baseline: 3, control: 2, treated: 6 },
};
const sample = { mean: 0.5, deviation: 0.1, values: [0.4, 0.6] };
const paired = { ...sample, interval, p: 0.5 };
const of = {
  models: { baseline: sample, control: sample, treated: sample },
  contrasts: [{ ...pair, ...paired, holm: null }],
};
const epoch = {
  ...{ epoch: 1, lr: 0.1, train: { loss: 1, accuracy: 0.5 }, validation: accuracy, seconds: 1 },
};
const exhibit = { pool: "test", index: 0, label: 0, name: "a" };
const verdict = { predicted: 1, confidence: 0.6 };
const validated = { accuracy: 0.5, loss: 0.7, best_epoch: 1, worst_group: 0.2 };

/** JSON by file; "metrics.jsonl" is a list of its lines. */
export const runJson: Readonly<Record<string, unknown>> = {
  "config.json": { command: "treat", model: "small", data: "shapes", epochs: 1, lr: 0.1 },
  "metrics.jsonl": ["baseline", "control", "treated"].map((stage) => ({ stage, ...epoch })),
  "account.json": {
    source: "made from seed 0",
    left_out: [{ why: "of a format that isn't read (.bmp)", count: 2, examples: ["a.bmp"] }],
    guesses: [{ what: "one in 6 set apart for the test", settle: "--test-share" }],
    warnings: ["cat has one image"],
  },
  "result.json": result,
  "summary.json": {
    ...{ version: 3, verdict: ["Nothing."], seeds: [0], arms: ["control", "treated"] },
    metrics: { accuracy: of, loss: of },
  },
  "exhibits.json": {
    ...{ version: 1, low: [{ ...exhibit, ...verdict }] },
    suspects: [{ ...exhibit, suggested: 1, labelProbability: 0.1, suggestedProbability: 0.9 }],
    searched: [{ pool: "test", images: 4, suspects: 1 }],
    models: ["baseline", "control", "treated"],
    changed: [{
      ...{ ...exhibit, fixed: true, foreground: { baseline: 0.1, control: 0.2, treated: 0.3 } },
      by: { baseline: verdict, control: verdict, treated: verdict },
    }],
  },
  "sift.json": { high: [[0, 1], [2]], low: { right: [[0], [2]], wrong: [[], [3]] } },
  "findings.json": {
    ...{ version: 1, judged: { pool: "validation", images: 4, accuracy: 0.5 } },
    looked: [{ name: "labels", words: "wrong labels" }, { name: "a", words: "b", lacking: "c" }],
    findings: [{
      ...{ name: "labels", claim: "some are wrong", evidence: ["one"], advice: "look" },
      ...{ severity: 0.1, images: ["a: b"], helped: "nothing" },
    }],
  },
  "diagnosis.json": {
    ...{ version: 1, ...about, classes, adapter: "none", parameters: 9, layers: ["features"] },
    ...{ theta: 0.2, accuracy: { ...accuracy, interval }, measures, diagnosed: [2, 2] },
  },
  "correlation.json": {
    ...{ version: 1, ...about, classes, theta: 0.2, images: [2, 2] },
    layers: [{
      ...{ layer: "features", channels: 2, own: [1, 1], own_share: 0.5, strongest_tenth: 0.3 },
      ...{ kernels_of: [0, 2, 0], overlap: [[1, 0], [0, 1]], mean_overlap: 0, mean_cosine: 0.2 },
      chance_overlap: 0.3,
    }],
  },
  "noise.json": {
    ...{ version: 1, ...about, seed: 0, epsilon: 2, success: { fgsm: 0.5 }, draws: 2 },
    layers: [{
      ...{ layer: "features", unit: 1 },
      kinds: [{
        ...{ kind: "normal", images: 2 },
        points: [0, 1].map((level) => ({ level, accuracy: 0.5, deviation: null, unchanged: 1 })),
      }],
    }],
  },
  "sweep.json": {
    ...{ version: 3, ...about, seeds: [0], grid: { alpha: [0.1, 1], layer: ["features"] } },
    cells: [0.1, 1].map((alpha) => ({
      cell: {
        ...{ name: `alpha ${alpha}`, settings: { alpha, layer: "features" }, arm: "treated" },
        treatment: { constraint, theta: 0.2, imagesPerClass: 5 },
      },
      ...{ accuracy: paired, worst_group: paired },
      results: [{
        ...{ cell: `alpha ${alpha}`, seed: 0, control: validated, treated: validated },
        ...{ mcnemar, interval, seconds: 1 },
      }],
    })),
  },
};

const SIDE = 8;
const f32 = (...shape: number[]) => ({
  ...{ dtype: "F32" as const, shape },
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5),
});
const pictures = (n: number) => ({
  ...{ dtype: "U8" as const, shape: [n, SIDE, SIDE, 3] },
  data: new Uint8Array(n * SIDE * SIDE * 3),
});

/** What is not JSON. */
export const runBytes: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  "aggregate.features.npy": encodeNpy(f32(2, 2)),
  "mask.features.npy": encodeNpy(f32(2, 2)),
  "exhibits.safetensors": encodeSafetensors(
    new Map<string, ReturnType<typeof f32> | ReturnType<typeof pictures>>([
      ...["low", "suspects", "changed"].map((name) => [name, pictures(1)] as const),
      ...["baseline", "control", "treated"].map((name) =>
        [`gradient.${name}`, f32(1, SIDE, SIDE)] as const
      ),
    ]),
  ),
};
