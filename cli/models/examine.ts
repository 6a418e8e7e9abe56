/** A classifier as it is looked at without data: its images, classes and width, by flags. */

import { UserError } from "../../engine/errors.ts";
import { summarizeNetwork } from "../../engine/nn/summary.ts";
import { type ClassifierEntry, createClassifier, optionsFor } from "../../models/classifier.ts";
import { widthFlag } from "../model_flags.ts";
import { flagTable, type Values } from "../framework/flags.ts";

/** The size of images for which most classifiers are made. */
const SMALL = 32;
/** The size at which classifiers are shown that are too deep for the size asked for. */
export const LARGE = 224;
const USUAL = { imageSize: SMALL, inChannels: 3, numClasses: 10 };

export const examineFlags = flagTable({
  size: {
    type: "integer",
    min: 1,
    max: 4096,
    help: "height and width of the images (default those that the classifier is made for)",
  },
  channels: {
    type: "integer",
    min: 1,
    max: 1024,
    help: "channels of the images (default 3, or the file's)",
  },
  classes: { type: "integer", min: 1, max: 1e6, help: "classes (default 10, or the file's)" },
  ...widthFlag,
});

/** A classifier at the size asked for, or at the large one where that is too small. */
export function examine(entry: ClassifierEntry, args: Values<typeof examineFlags>) {
  const { channels, classes, width } = args;
  const size = args.size ?? entry.imageSize ?? SMALL;
  const at = (imageSize: number) => {
    const asked = { inChannels: channels, numClasses: classes, imageSize, width };
    const options = optionsFor(entry, asked, USUAL);
    const network = createClassifier(entry, options);
    const image = [imageSize, imageSize, options.inChannels];
    return {
      imageSize,
      image,
      classes: options.numClasses,
      network,
      ...summarizeNetwork(network, image),
    };
  };
  try {
    return at(size);
  } catch (error) {
    if (!(error instanceof UserError) || size >= LARGE) throw error;
    return at(LARGE);
  }
}

/** 21282122 as "21.28 M" */
export const millions = (count: number) => `${(count / 1e6).toFixed(2)} M`;
