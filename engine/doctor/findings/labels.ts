/**
 * Wrong labels. The images that a network is surest of it gets right, whatever is hard about the
 * others; and where it is wrong, the label is mostly its second or third choice. A label that was
 * given by mistake is neither: the network is as sure of such an image as of any, and the label is
 * as likely to be its last choice as its second. So what is counted is the labels among the less
 * likely half of the classes, in the surer half of the images. With a share w of labels that are
 * any other class's, they are w L / (K - 1) of these images, L of the K classes being less likely.
 *
 * Labels that are mistaken for those of one similar class alone escape it, where there are many
 * classes; the network learns those, and fails in the class (classes.ts). Which labels are suspect
 * is told by confident learning (../label_errors.ts).
 */

import { softmaxRow } from "../../train/predictions.ts";
import { labelErrors, type Suspect } from "../label_errors.ts";
import { type Interval, wilson } from "../significance.ts";
import { type Evidence, type FindingKind, type JudgedPool, poolsOf } from "./finding.ts";
import { interval, list, percent } from "./words.ts";

/**
 * A share of wrong labels that is worth a search; clean sets of photographs have up to about as many
 * (Northcutt, Athalye, Mueller, 2021: on average 3.3 % in ten test sets, CIFAR-10 0.5 %).
 */
const SMALLEST_SHARE = 0.01;
/** Classes that are named with their number of suspects. */
const NAMED = 3;

export const labels: FindingKind = {
  name: "labels",
  words: "wrong labels",
  find(evidence) {
    const pools = poolsOf(evidence);
    const estimates = pools.map(wrongLabels);
    const found = estimates.find(({ range: [low] }) => low > SMALLEST_SHARE);
    if (!found) return undefined;
    const { pool, sure, far, share, range } = found;
    const suspects = pools.map((pool) => ({ pool, found: labelErrors(pool.logits) }));
    return {
      claim: `About ${percent(share)} of the labels are wrong.`,
      evidence: [
        `Of the ${sure} ${pool} images that the network is surest of, ${far} have a label from ` +
        "the half of the classes that it holds for least likely, as such a share of labels given " +
        `at random leaves (${interval(range)}).`,
        `It confidently contradicts the labels of ${
          list(suspects.map(({ pool, found }) =>
            `${found.length} of ${pool.split.labels.length} ${pool.name} images`
          ))
        }.`,
        `Most of them are labelled ${byClass(evidence, suspects)}.`,
      ],
      advice: "Look at the images that are listed, correct their labels or leave them out, and " +
        "train anew.",
      severity: Math.min(1, share),
      images: suspects.flatMap(({ pool, found }) =>
        found.map((suspect) => inWords(suspect, pool, evidence.classes))
      ),
    };
  },
};

interface Estimate {
  readonly pool: string;
  /** Numbers of the images that are looked at, and of those whose label is a less likely class. */
  readonly sure: number;
  readonly far: number;
  /** Of labels that are wrong, with its 95 % interval. */
  readonly share: number;
  readonly range: Interval;
}

/** The share of wrong labels among a pool's images. */
export function wrongLabels({ name, logits, predicted }: JudgedPool): Estimate {
  const { classes, labels } = logits;
  const sure = Math.max(1, Math.floor(predicted.length / 2));
  const lessLikely = Math.ceil(classes / 2);
  const far = Array.from(predicted.keys())
    .sort((a, b) => predicted[b].confidence - predicted[a].confidence || a - b)
    .slice(0, sure)
    .filter((image) => likelierThan(softmaxRow(logits, image), labels[image]) >= classes / 2);
  const scale = Math.min(1, lessLikely / (classes - 1));
  const [low, high] = wilson(far.length, sure);
  return {
    ...{ pool: name, sure, far: far.length, share: far.length / sure / scale },
    range: [low / scale, Math.min(1, high / scale)],
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
  return `${names?.[index] ?? `${name} ${index}`}: labelled ${classes[label]} ` +
    `(${percent(labelProbability)}), looks like ${classes[suggested]} ` +
    `(${percent(suggestedProbability)})`;
}
