/** Classes that fail: far less often right than the others, and what they are taken for. */

import { byClass, confusionMatrix, type Share } from "../class_measures.ts";
import { inCommon } from "../significance.ts";
import { type Evidence, type FindingKind, type JudgedPool, LEVEL, poolsOf } from "./finding.ts";
import { list, percent, probability, shareInWords } from "../words.ts";

/** Points of accuracy below the others; in every set some classes are a little harder. */
const SMALLEST_DROP = 0.2;
/** A class has too few images below this share of the median class's. */
const FEW = 0.5;
/** Classes that are named as what another one is taken for. */
const NAMED = 3;

export const classes: FindingKind = {
  name: "classes",
  words: "classes that fail",
  find(evidence) {
    const failing = poolsOf(evidence).map((pool) => failingIn(evidence, pool))
      .find((failing) => failing.length > 0);
    if (!failing) return undefined;
    const names = failing.map(({ k }) => evidence.classes[k]);
    const few = failing.filter((of) => of.isFew).map(({ k }) => evidence.classes[k]);
    return {
      claim: `The network fails in ${list(names)}.`,
      evidence: failing.map((of) => inWords(of, evidence.classes)),
      advice: few.length > 0
        ? `Give ${list(few)} more images, or show theirs more often.`
        : "Look at what they are taken for: the images may be alike, or their labels mixed up.",
      severity: Math.max(...failing.map(({ drop }) => drop)),
    };
  },
};

interface Failing {
  readonly k: number;
  readonly pool: string;
  readonly share: Share;
  /** Accuracy of all other classes' images, and how far this one's is below. */
  readonly others: number;
  readonly drop: number;
  readonly p: number;
  /** Numbers of the class's training images, of the median class's, and whether that is few. */
  readonly images: number;
  readonly median: number;
  readonly isFew: boolean;
  /** Other classes with how often it is taken for them, the most frequent first. */
  readonly takenFor: readonly (readonly [k: number, images: number])[];
}

/** The worst first. */
function failingIn(evidence: Evidence, { name, predicted }: JudgedPool): Failing[] {
  const count = evidence.classes.length;
  const comparisons = count * poolsOf(evidence).length;
  const shares = byClass(predicted, count);
  const confusion = confusionMatrix(predicted, count);
  const images = byClass(evidence.training.predicted, count).map(({ images }) => images);
  const median = [...images].sort((a, b) => a - b)[Math.floor(count / 2)];
  const wrong = ({ images, correct }: Share) => images - correct;
  const allWrong = shares.reduce((sum, share) => sum + wrong(share), 0);
  const n = predicted.length;
  return shares.flatMap((share, k): Failing[] => {
    const rest = n - share.images;
    if (share.accuracy === null || rest === 0) return [];
    const others = 1 - (allWrong - wrong(share)) / rest;
    const drop = others - share.accuracy;
    const p = inCommon(wrong(share), share.images, allWrong, n);
    if (drop < SMALLEST_DROP || p * comparisons >= LEVEL) return [];
    const takenFor = confusion[k].map((images, j) => [j, j === k ? 0 : images] as const)
      .filter(([, images]) => images > 0).sort((a, b) => b[1] - a[1]);
    return [{
      ...{ k, pool: name, share, others, drop, p, takenFor },
      ...{ images: images[k], median, isFew: images[k] < FEW * median },
    }];
  }).sort((a, b) => b.drop - a.drop);
}

function inWords(of: Failing, classes: readonly string[]): string {
  const { k, pool, share, others, p, takenFor, images, median, isFew } = of;
  const confusions = takenFor.slice(0, NAMED).map(([j, n]) => `${classes[j]} (${n})`);
  return `Of the ${pool} images of ${classes[k]} ${shareInWords(share)} are classified right, of ` +
    `the others ${percent(others)} (${probability(p)}); most are taken for ${list(confusions)}.` +
    (isFew ? ` It has ${images} images to train on, the median class ${median}.` : "");
}
