/**
 * Labels that a model confidently contradicts: confident learning in its simple form. With p_j the
 * softmax probability of class j, and
 *
 *     t_j = mean of p_j over the images that are labelled j,
 *
 * how sure the model is of its own kind, an image labelled i is counted for the class j that is the
 * likeliest of those with p_j >= t_j. Where j isn't i, the label may be wrong. The suspects with the
 * smallest margin p_i - p_j come first.
 *
 * A model has seen the labels that it was trained on and rather agrees with them: on such images it
 * finds few errors, and those are sure.
 *
 * Source: Northcutt, Jiang, Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels,
 * JAIR 70, 2021, equations 1 and 2 and the ranking by margin ("prune by noise rate").
 */

import { softmaxRow } from "../train/predictions.ts";
import type { Logits } from "../train/predict.ts";

export interface Suspect {
  /** The image's place in the split. */
  readonly index: number;
  readonly label: number;
  readonly suggested: number;
  /** Probabilities of the two. */
  readonly labelProbability: number;
  readonly suggestedProbability: number;
}

/** The suspects among the images, the least credible label first. */
export function labelErrors(logits: Logits): Suspect[] {
  const { labels } = logits;
  const thresholds = selfConfidence(logits);
  const found: Suspect[] = [];
  for (const [index, label] of labels.entries()) {
    const p = softmaxRow(logits, index);
    let suggested = -1;
    p.forEach((value, j) => {
      if (value >= thresholds[j] && !(value <= p[suggested])) suggested = j;
    });
    if (suggested < 0 || suggested === label) continue;
    found.push({
      ...{ index, label, suggested },
      ...{ labelProbability: p[label], suggestedProbability: p[suggested] },
    });
  }
  const margin = (s: Suspect) => s.labelProbability - s.suggestedProbability;
  return found.sort((a, b) => margin(a) - margin(b) || a.index - b.index);
}

/** Each class's t_j; infinite for a class without images, which then contradicts nobody. */
function selfConfidence(logits: Logits): Float64Array {
  const { classes, labels } = logits;
  const [sums, counts] = [new Float64Array(classes), new Float64Array(classes)];
  for (const [i, label] of labels.entries()) {
    sums[label] += softmaxRow(logits, i)[label];
    counts[label]++;
  }
  return sums.map((sum, k) => counts[k] > 0 ? sum / counts[k] : Infinity);
}
