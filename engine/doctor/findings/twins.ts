/**
 * Twins: two classes that are mixed up and live on the same kernels. Similar classes share kernels
 * in sound networks too, and classes that nothing tells apart don't share all of theirs: the head's
 * starting weights stay different. So it takes both: that the two share far more kernels than
 * random sets of as many would, and that their images are often taken for one another.
 */

import { confusionMatrix } from "../class_measures.ts";
import type { ExaminedLayer } from "../examine.ts";
import { inCommon } from "../significance.ts";
import { type Evidence, type FindingKind, judgedOf, LEVEL } from "./finding.ts";
import { percent, probability } from "../words.ts";

/** Of the kernels that the smaller set could share beyond chance. */
const SMALLEST_EXCESS = 0.25;
/** Of the images of the two that are taken for the other one. */
const SMALLEST_MIXED = 0.1;
/** Pairs that are told of. */
const NAMED = 5;

export const twins: FindingKind = {
  name: "twins",
  words: "classes that are mixed up and live on the same kernels",
  find(evidence) {
    const { classes } = evidence;
    const pairs = twinsOf(evidence);
    if (pairs.length === 0) return undefined;
    const [{ a, b, mixed }] = pairs;
    return {
      claim: `${classes[a]} and ${classes[b]} are mixed up, and live on the same kernels` +
        (pairs.length > 1 ? ` (and ${pairs.length - 1} more of such pairs).` : "."),
      evidence: pairs.slice(0, NAMED).map((pair) => inWords(pair, evidence)),
      advice: "See whether the two are one class or have their labels mixed up. If neither, the " +
        "network needs more images of what tells them apart, or more kernels (--width).",
      severity: mixed,
    };
  },
};

interface Pair {
  readonly a: number;
  readonly b: number;
  readonly layer: string;
  /** Numbers of kernels: each class's own, those of both, and what chance would give. */
  readonly own: readonly [number, number];
  readonly both: number;
  readonly expected: number;
  /** What is shared beyond chance, of what could be. */
  readonly excess: number;
  readonly p: number;
  /** Of the images of the two, the share that is taken for the other. */
  readonly mixed: number;
}

/** The pairs, each at the layer where it shares most; those that are mixed up most come first. */
function twinsOf(evidence: Evidence): Pair[] {
  const { layers, classes } = evidence;
  const confusion = confusionMatrix(judgedOf(evidence).predicted, classes.length);
  const images = confusion.map((row) => row.reduce((sum, n) => sum + n, 0));
  const pairs = classes.flatMap((_, a) => classes.slice(a + 1).map((_, i) => [a, a + 1 + i]));
  return pairs.flatMap(([a, b]): Pair[] => {
    const mixed = (confusion[a][b] + confusion[b][a]) / Math.max(1, images[a] + images[b]);
    if (mixed < SMALLEST_MIXED) return [];
    return layers.map((of) => ({ a, b, mixed, layer: of.layer, ...sharedBy(of, a, b) }))
      .filter(({ excess, p }) =>
        excess >= SMALLEST_EXCESS && p * pairs.length * layers.length < LEVEL
      )
      .sort((x, y) => y.excess - x.excess).slice(0, 1);
  }).sort((x, y) => y.mixed - x.mixed);
}

/** The kernels that two classes share at a layer; a class without kernels shares nothing. */
function sharedBy({ channels, mask }: ExaminedLayer, a: number, b: number) {
  const isOwn = (k: number, j: number) => mask[k * channels + j] === 1;
  let [ofA, ofB, both] = [0, 0, 0];
  for (let j = 0; j < channels; j++) {
    ofA += Number(isOwn(a, j));
    ofB += Number(isOwn(b, j));
    both += Number(isOwn(a, j) && isOwn(b, j));
  }
  const expected = ofA * ofB / channels;
  const most = Math.min(ofA, ofB);
  return {
    ...{ own: [ofA, ofB] as const, both, expected },
    excess: most > expected ? (both - expected) / (most - expected) : 0,
    p: inCommon(both, ofA, ofB, channels),
  };
}

function inWords({ a, b, layer, own, both, expected, p, mixed }: Pair, evidence: Evidence): string {
  const { classes } = evidence;
  return `${percent(mixed)} of the ${judgedOf(evidence).name} images of ${classes[a]} and ` +
    `${classes[b]} are taken for the other; at ${layer} ${both} kernels are both classes' own ` +
    `(${own[0]} and ${own[1]} are either's; by chance ${expected.toFixed(1)}; ` +
    `${probability(p)}).`;
}
