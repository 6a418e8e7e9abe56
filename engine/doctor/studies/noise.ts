/**
 * Discovery 2 of the method: normal samples are successive in feature space, adversarial ones are
 * isolated. Noise is added to a layer's output, stronger and stronger. What lies amid its own kind
 * keeps its class; a point that was pushed across a border by a small change falls back.
 *
 * The kinds of image, up to so many of each class:
 *
 *     normal           right, with the highest confidence
 *     low confidence   right, with the lowest confidence
 *     wrong            wrong, with the highest confidence
 *     FGSM, PGD        attacked copies of the normal ones, where the attack succeeded
 */

import { type Split, subset } from "../../data/dataset.ts";
import { ExitCode, UserError } from "../../errors.ts";
import { takeRows } from "../../tensor/indexing.ts";
import { Variable } from "../../tensor/tensor.ts";
import { type Prediction, predictions } from "../../train/predictions.ts";
import type { Observer } from "../../train/observer.ts";
import { Predictor } from "../../train/predict.ts";
import { type Attack, attack, fgsmAttack, pgdAttack } from "../probes/attack.ts";
import { NoiseMeasure } from "../probes/noise.ts";
import type { Subject } from "../probes/probe.ts";
import { type Sifted, siftHigh, siftLow } from "../sift.ts";
import { sample } from "../significance.ts";

export const NOISE_VERSION = 1;

/** noise.json */
export interface NoiseFile {
  readonly version: number;
  readonly model: string;
  readonly data: string;
  readonly seed: number;
  /** Largest change of a pixel by the attacks, in steps of 255. */
  readonly epsilon: number;
  /** Share of the normal images that each attack makes wrong. */
  readonly success: Readonly<Record<string, number>>;
  readonly draws: number;
  readonly layers: readonly LayerNoise[];
}

export interface LayerNoise {
  readonly layer: string;
  /** What the levels are multiples of: the standard deviation of the output for normal images. */
  readonly unit: number;
  readonly kinds: readonly NoiseCurve[];
}

export interface NoiseCurve {
  readonly kind: string;
  readonly images: number;
  readonly points: readonly {
    readonly level: number;
    /** Share that is classified as its label says, over images and draws. */
    readonly accuracy: number;
    /** Standard deviation of that share between draws; null for a single draw. */
    readonly deviation: number | null;
    /** Share that keeps the class that it has without noise. */
    readonly unchanged: number;
  }[];
}

export interface NoiseStudyOptions {
  readonly layers: readonly string[];
  readonly levels: readonly number[];
  readonly draws: number;
  readonly imagesPerClass: number;
  /** In steps of 255. */
  readonly epsilon: number;
  readonly pgdSteps: number;
  readonly signal?: AbortSignal;
  /** Told how far each part of the work is. */
  readonly looked: (what: string, done: number, total: number) => void;
}

/** Some images, or attacked copies of them. */
interface Kind {
  readonly kind: string;
  readonly split: Split;
  readonly attacked?: Variable;
  /** Whether an image counts, by its class without noise. */
  readonly counts: (label: number, predicted: number) => boolean;
}

/** @throws UserError (method) where no image is classified right */
export async function noiseStudy(subject: Subject, options: NoiseStudyOptions) {
  const { runtime, set, split } = subject;
  const predicted = await predict(subject, options);
  const count = options.imagesPerClass;
  const low = siftLow(predicted, set.classes.length, count);
  const normal = pick(split, siftHigh(predicted, set.classes.length, count));
  if (normal.labels.length === 0) {
    throw new UserError(
      "not one image is classified right: there is no normal one",
      ExitCode.method,
    );
  }
  const all = () => true;
  const attacks = {
    FGSM: fgsmAttack(options.epsilon),
    PGD: pgdAttack(options.epsilon, options.pgdSteps),
  };
  const kinds: Kind[] = [
    { kind: "normal", split: normal, counts: all },
    { kind: "low confidence", split: pick(split, low.right), counts: all },
    { kind: "wrong", split: pick(split, low.wrong), counts: all },
  ];
  for (const [kind, how] of Object.entries(attacks)) {
    const attacked = await attackedImages({ ...subject, split: normal }, kind, how, options);
    kinds.push({ kind, split: normal, attacked, counts: (label, found) => label !== found });
  }
  try {
    const layers: LayerNoise[] = [];
    for (const layer of options.layers) layers.push(await atLayer(subject, kinds, layer, options));
    const success = Object.keys(attacks).map((kind) => {
      const fooled = layers[0].kinds.find((curve) => curve.kind === kind)!.images;
      return [kind, fooled / normal.labels.length];
    });
    return { success: Object.fromEntries(success) as Record<string, number>, layers };
  } finally {
    runtime.release(kinds.flatMap(({ attacked }) => attacked ?? []));
  }
}

const observer = (what: string, { signal, looked }: NoiseStudyOptions): Observer => ({
  signal,
  onProgress: (done, total) => looked(what, done, total),
});

const pick = (split: Split, sifted: Sifted) => subset(split, Uint32Array.from(sifted.flat()));

async function predict(
  { runtime, network, set, split, batch }: Subject,
  options: NoiseStudyOptions,
): Promise<Prediction[]> {
  const predictor = await Predictor.make(runtime, network, set, split, batch);
  try {
    return predictions(await predictor.predict(observer("predict", options)));
  } finally {
    predictor.destroy();
  }
}

async function attackedImages(
  subject: Subject,
  kind: string,
  how: Attack,
  options: NoiseStudyOptions,
): Promise<Variable> {
  const { set: { height, width, channels }, split: { labels } } = subject;
  const values = await attack(subject, how, observer(kind, options));
  return new Variable(`${kind} images`, [labels.length, height, width, channels], values);
}

async function atLayer(
  subject: Subject,
  kinds: readonly Kind[],
  layer: string,
  options: NoiseStudyOptions,
): Promise<LayerNoise> {
  const { levels, draws } = options;
  let unit: number | undefined;
  const curves: NoiseCurve[] = [];
  for (const { kind, split, attacked, counts } of kinds) {
    if (split.labels.length === 0) {
      curves.push({ kind, images: 0, points: [] });
      continue;
    }
    const measure = await NoiseMeasure.make({ ...subject, split }, {
      ...{ layer, draws, unit, levels: [0, ...levels] },
      images: attacked && (({ indices }) => takeRows(attacked, indices)),
    });
    try {
      // The first kind's unit is everyone's.
      const found = await measure.measure(observer(`${layer}, ${kind}`, options));
      unit = found.unit;
      const [quiet, ...noisy] = found.predicted;
      curves.push({ kind, ...curve(split.labels, quiet, noisy, { levels, draws, counts }) });
    } finally {
      measure.destroy();
    }
  }
  return { layer, unit: unit!, kinds: curves };
}

/** @param quiet, noisy predicted classes without noise and at each level, [n, draws] */
function curve(
  labels: ArrayLike<number>,
  quiet: Float32Array,
  noisy: readonly Float32Array[],
  { levels, draws, counts }: Pick<Kind, "counts"> & Pick<NoiseStudyOptions, "levels" | "draws">,
): Omit<NoiseCurve, "kind"> {
  const clean = Array.from(labels, (_, i) => quiet[i * draws]);
  const chosen = clean.flatMap((k, i) => counts(labels[i], k) ? [i] : []);
  const points = chosen.length === 0 ? [] : [quiet, ...noisy].map((predicted, l) => {
    const share = (draw: number, wanted: ArrayLike<number>) =>
      chosen.filter((i) => predicted[i * draws + draw] === wanted[i]).length / chosen.length;
    const over = (wanted: ArrayLike<number>) =>
      sample(Array.from({ length: draws }, (_, draw) => share(draw, wanted)));
    const { mean, deviation } = over(labels);
    return { level: [0, ...levels][l], accuracy: mean, deviation, unchanged: over(clean).mean };
  });
  return { images: chosen.length, points };
}
