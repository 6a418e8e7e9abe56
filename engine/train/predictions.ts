/** What logits say about a classifier. Sums are made in float64 on the host. */

import type { Logits } from "./predict.ts";

/** How well a set of images is classified. */
export interface Accuracy {
  /** Share of images whose largest logit is the label's. */
  readonly accuracy: number;
  /** Mean cross entropy, in nats. */
  readonly loss: number;
  readonly correct: number;
  readonly total: number;
}

/** What is predicted for one image. */
export interface Prediction {
  readonly label: number;
  readonly predicted: number;
  /** Softmax probability of the predicted class. */
  readonly confidence: number;
  /** -log of the label's probability. */
  readonly loss: number;
}

export const isRight = ({ label, predicted }: Prediction): boolean => label === predicted;

/** The prediction for every image, in order. */
export function predictions(logits: Logits): Prediction[] {
  return Array.from(logits.labels, (label, i) => {
    const { row, predicted, total } = normalizer(logits, i);
    const loss = Math.log(total) + row[predicted] - row[label];
    return { label, predicted, confidence: 1 / total, loss };
  });
}

/** The softmax probabilities of one image. */
export function softmaxRow(logits: Logits, image: number): Float64Array {
  const { row, predicted, total } = normalizer(logits, image);
  return Float64Array.from(row, (value) => Math.exp(value - row[predicted]) / total);
}

/** An image's logits, the place of the largest, and the sum of exp(logit - largest). */
function normalizer({ values, classes }: Logits, image: number) {
  const row = values.subarray(image * classes, (image + 1) * classes);
  let predicted = 0;
  for (let k = 1; k < classes; k++) if (row[k] > row[predicted]) predicted = k;
  let total = 0;
  for (const value of row) total += Math.exp(value - row[predicted]);
  return { row, predicted, total };
}

/** Accuracy and mean loss over predictions. */
export function accuracy(of: readonly Prediction[]): Accuracy {
  const correct = of.filter(isRight).length;
  const loss = of.reduce((sum, p) => sum + p.loss, 0) / of.length;
  return { accuracy: correct / of.length, loss, correct, total: of.length };
}
