/**
 * Just train twice: the images that a model of few epochs gets wrong are there several times. That
 * model is trained from the untrained weights first; no groups are needed to find them. The paper
 * then trains from untrained weights too (--start scratch); its epochs get longer, these don't.
 */

import { resetState } from "../../nn/state.ts";
import { upweighted } from "../../train/order.ts";
import { predictSplit } from "../../train/predict.ts";
import { isRight, predictions } from "../../train/predictions.ts";
import { train } from "../../train/train.ts";
import { imagesAtATime } from "../treatment.ts";
import { defineArm } from "./arm.ts";

export const jtt = defineArm({
  name: "jtt",
  words: "trained on with the images that an early model got wrong upweighted",
  help: "images that an early model got wrong upweighted",
  source: "Liu et al., ICML 2021",
  needs: [],
  options: {
    jttEpochs: {
      type: "integer",
      min: 1,
      max: 1e5,
      default: 1,
      help: "jtt: epochs of the early model",
    },
    jttTimes: {
      type: "integer",
      min: 2,
      max: 1000,
      default: 6,
      help: "jtt: how often each image that it got wrong is there",
    },
  },
  recipe: async ({ runtime, network, set, split, settings, signal }, { jttEpochs, jttTimes }) => {
    const { batch, microBatch, seed, lr, optimizer, momentum, weightDecay } = settings;
    resetState(network, runtime);
    await train(runtime, network, {
      ...{ stage: "early model of jtt", set, ...split, epochs: jttEpochs, signal },
      ...{ batch, microBatch, seed, lr, optimizer, momentum, weightDecay, lrSchedule: "constant" },
    });
    const logits = await predictSplit(runtime, network, set, split.train, {
      batch: imagesAtATime(settings),
      signal,
    });
    const right = predictions(logits).map(isRight);
    const wrong = right.filter((is) => !is).length;
    return {
      order: upweighted(right.map((is) => is ? 1 : jttTimes)),
      settings: { jttEpochs, jttTimes },
      note: `the early model is wrong on ${wrong} of ${right.length} images`,
    };
  },
});
