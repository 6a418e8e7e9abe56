/**
 * Wrong labels. Where a network is wrong about an image, the label is mostly its second or third
 * choice. A label that was given by mistake is as likely to be its last choice as its second. So
 * among the images that it is surest of, those with a label from the less likely half of the classes
 * are counted beside all that it contradicts. With n such images, C contradicted, F of them far, and
 * a share s of the other classes in that half, a share w of labels that are any other class's gives
 *
 *     F = s w n + f (C - w n),      w = (F - f C) / ((s - f) n),
 *
 * f being what is far of the network's own mistakes: on CIFAR-10, of a network that is right on half
 * of the images, 0.08 to 0.13, where chance would give s = 0.56; on shapes less. 0.3 s is taken.
 *
 * Labels that are mistaken for those of one similar class alone escape it; the network learns those,
 * and fails in the class (classes.ts). Which labels are suspect is told by confident learning
 * (../label_errors.ts).
 */

import { softmaxRow } from "../../train/predictions.ts";
import { labelErrors, type Suspect } from "../label_errors.ts";
import { atLeast, type Interval, wilson } from "../significance.ts";
import { type Evidence, type FindingKind, type JudgedPool, LEVEL, poolsOf } from "./finding.ts";
import { interval, list, percent, probability } from "../words.ts";

/**
 * A share of wrong labels that is worth a search; clean sets of photographs have up to about as many
 * (Northcutt, Athalye, Mueller, 2021: on average 3.3 % in ten test sets, CIFAR-10 0.5 %).
 */
const SMALLEST_SHARE = 0.01;
/** f / s: how often a label that the network contradicts by mistake is far, beside chance. */
const FAR = 0.3;
/** Of the surest images, those that a network has to be right on to be trusted with the labels. */
const TRUSTED = 0.7;
/** With fewer classes a mistaken label looks like any mistake of the network. */
const FEWEST_CLASSES = 4;
/** Classes that are named with their number of suspects. */
const NAMED = 3;

export const labels: FindingKind = {
  name: "labels",
  words: "wrong labels",
  lacking(evidence) {
    const { length } = evidence.classes;
    if (length < FEWEST_CLASSES) {
      return `of ${length} classes, a wrong label looks like any mistake`;
    }
    if (poolsOf(evidence).map(wrongLabels).some(isTrusted)) return undefined;
    return "the network is wrong too often even on the images that it is surest of";
  },
  find(evidence) {
    const pools = poolsOf(evidence);
    const found = pools.map(wrongLabels).filter(isTrusted)
      .find(({ share, p }) => share >= SMALLEST_SHARE && p * pools.length < LEVEL);
    if (!found) return undefined;
    const { pool, sure, contradicted, far, share, range, p } = found;
    const suspects = pools.map((pool) => ({ pool, found: labelErrors(pool.logits) }));
    return {
      claim: `About ${percent(share)} of the labels are wrong.`,
      evidence: [
        `The network contradicts the labels of ${contradicted} of the ${sure} ${pool} images that ` +
        `it is surest of; ${far} of those labels are of the half of the classes that it holds for ` +
        `least likely, more than mistakes of its own are (${probability(p)}; ${interval(range)} ` +
        "for the share of wrong labels).",
        `It confidently contradicts the labels of ${
          list(suspects.map(({ pool, found }) =>
            `${found.length} of ${pool.split.labels.length} ${pool.name} images`
          ))
        }.`,
        `Most of them are labelled ${byClass(evidence, suspects)}.`,
      ],
      advice: "Look at the images that are listed, correct their labels or leave them out, and " +
        "train anew.",
      severity: share,
      images: suspects.flatMap(({ pool, found }) =>
        found.map((suspect) => inWords(suspect, pool, evidence.classes))
      ),
    };
  },
};

interface Estimate {
  readonly pool: string;
  /** n, C and F: the images that are looked at, those contradicted, those of a far label. */
  readonly sure: number;
  readonly contradicted: number;
  readonly far: number;
  /** w, with its 95 % interval. */
  readonly share: number;
  readonly range: Interval;
  /** That the network's own mistakes leave as many far labels. */
  readonly p: number;
}

const isTrusted = ({ contradicted, sure }: Estimate) => contradicted <= (1 - TRUSTED) * sure;

/** The share of wrong labels among a pool's images. */
export function wrongLabels({ name, logits, predicted }: JudgedPool): Estimate {
  const { classes, labels } = logits;
  const sure = Math.max(1, Math.floor(predicted.length / 2));
  const wrong = Array.from(predicted.keys())
    .sort((a, b) => predicted[b].confidence - predicted[a].confidence || a - b)
    .slice(0, sure)
    .filter((image) => predicted[image].predicted !== labels[image]);
  const far =
    wrong.filter((image) => likelierThan(softmaxRow(logits, image), labels[image]) >= classes / 2)
      .length;
  const ofOthers = Math.floor(classes / 2) / (classes - 1);
  const byMistake = FAR * ofOthers;
  const share = (far: number) =>
    Math.min(1, Math.max(0, (far - byMistake * wrong.length / sure) / (ofOthers - byMistake)));
  const [low, high] = wilson(far, sure);
  return {
    ...{ pool: name, sure, contradicted: wrong.length, far, share: share(far / sure) },
    ...{ range: [share(low), share(high)], p: atLeast(far, wrong.length, byMistake) },
  };
}

/** How many classes are likelier than the label. */
const likelierThan = (p: Float64Array, label: number) =>
  p.filter((value) => value > p[label]).length;

function byClass(
  { classes }: Evidence,
  suspects: readonly { readonly pool: JudgedPool; readonly found: readonly Suspect[] }[],
): string {
  const counts = classes.map((name, k) => ({
    name,
    suspects: suspects.flatMap(({ found }) => found.filter(({ label }) => label === k)).length,
    images: suspects.flatMap(({ pool: { split } }) => [...split.labels].filter((l) => l === k))
      .length,
  }));
  const most = counts.filter(({ suspects }) => suspects > 0)
    .sort((a, b) => b.suspects / b.images - a.suspects / a.images).slice(0, NAMED);
  return list(most.map(({ name, suspects, images }) => `${name} (${suspects} of ${images})`));
}

function inWords(
  { index, label, suggested, labelProbability, suggestedProbability }: Suspect,
  { name, split: { names } }: JudgedPool,
  classes: readonly string[],
): string {
  return `${names?.at(index) ?? `${name} ${index}`}: labelled ${classes[label]} ` +
    `(${percent(labelProbability)}), looks like ${classes[suggested]} ` +
    `(${percent(suggestedProbability)})`;
}
