/**
 * Confidence that is not what it says. The calibration error of few images is large by chance, so
 * it is held against that of a calibrated network on the same images, for which each is right with
 * the probability that the network names (Broecker and Smith, Increasing the Reliability of
 * Reliability Diagrams, 2007).
 */

import { draws, streamId, uniform } from "../../random.ts";
import { isRight, type Prediction } from "../../train/predictions.ts";
import { calibration as calibrationOf } from "../class_measures.ts";
import { pairedSample } from "../significance.ts";
import { type FindingKind, judgedOf, LEVEL } from "./finding.ts";
import { interval, percent, probability } from "../words.ts";

/**
 * Calibration error beyond chance: too much confidence hides mistakes, too little only asks too
 * often, and networks that are trained for few epochs have too little.
 */
const SMALLEST = { over: 0.05, under: 0.1 };
/** Draws of which images a calibrated network gets right. */
const DRAWS = 500;

export const calibration: FindingKind = {
  name: "calibration",
  words: "confidence that is not what it says",
  find(evidence) {
    const { predicted, name } = judgedOf(evidence);
    const { ece } = calibrationOf(predicted);
    const chance = calibratedErrors(predicted);
    const p = (1 + chance.filter((error) => error >= ece).length) / (1 + DRAWS);
    const expected = chance.reduce((sum, error) => sum + error, 0) / DRAWS;
    const right = predicted.map((of) => Number(isRight(of)));
    const { mean: excess, interval: range } = pairedSample(
      predicted.map(({ confidence }, i) => confidence - right[i]),
    );
    const isOver = excess > 0;
    const smallest = isOver ? SMALLEST.over : SMALLEST.under;
    if (p >= LEVEL || ece - expected < smallest) return undefined;
    const accuracy = right.reduce((sum, value) => sum + value, 0) / right.length;
    return {
      claim: isOver
        ? "The network is overconfident: it is surer than it is right."
        : "The network is underconfident: it is right more often than it says.",
      evidence: [
        `Of ${predicted.length} ${name} images ${percent(accuracy)} are classified right, with a ` +
        `mean confidence of ${percent(accuracy + excess)}: ${
          isOver ? "too much" : "too little"
        } by ${(100 * Math.abs(excess)).toFixed(1)} points${
          range ? ` (${interval(towards(range, isOver))})` : ""
        }.`,
        `The calibration error is ${percent(ece)}; on as many images a calibrated network shows ` +
        `${percent(expected)} (${probability(p)}).`,
      ],
      advice: "Divide the logits by a temperature that is chosen on validation images, which " +
        "changes no prediction (Guo et al., 2017)" +
        (isOver ? "." : "; or train longer: confidence still grows."),
      severity: ece - expected,
    };
  },
  helped:
    "Treatments made networks less sure of themselves: a constraint on what backgrounds change " +
    "(counterfactual) brought the calibration error on shapes at correlation 0.9 from 21.1 to " +
    "12.5 %, its placebo to 14.0 %, " +
    "the channel-wise constraint at 0.3 on last that on Fashion-MNIST down by 1.00 points.",
};

/** An interval of a signed excess as one of its size. */
const towards = ([low, high]: readonly [number, number], isOver: boolean) =>
  isOver ? [low, high] as const : [-high, -low] as const;

/** The calibration errors of a calibrated network in several draws. */
function calibratedErrors(predicted: readonly Prediction[]): number[] {
  return Array.from({ length: DRAWS }, (_, draw) => {
    const word = draws(draw, streamId("calibrated"));
    return calibrationOf(predicted.map((of, i) => {
      const right = uniform(word(i)) < of.confidence;
      return { ...of, label: right ? of.predicted : -1 };
    })).ece;
  });
}
