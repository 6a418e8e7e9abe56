/** What every classifier of this folder is: a module from images [N, H, W, C] to logits [N, K]. */

import { ExitCode, UserError } from "../engine/errors.ts";
import type { Module } from "../engine/nn/module.ts";

export interface ClassifierOptions {
  readonly inChannels: number;
  readonly numClasses: number;
  /** Height and width of the images, in pixels. */
  readonly imageSize: number;
}

export interface ClassifierEntry {
  readonly name: string;
  /** One line: the paper, or what it is for. */
  readonly summary: string;
  /** The module whose output is the final feature map that feeds the head. */
  readonly featureLayer: string;
  /** Builds the network with parameters at their default; see `initialize`. */
  create(options: ClassifierOptions): Module;
}

/**
 * The extent that is left of an image after its size is divided by `factor`.
 * @throws UserError (usage) where a network whose head has a fixed size can't take the image
 */
export function reducedSize(model: string, imageSize: number, factor: number): number {
  if (imageSize % factor !== 0) {
    throw new UserError(
      `${model} halves its images until ${factor} pixels are one, so ${imageSize} pixels don't fit`,
      ExitCode.usage,
      `use images whose size is a multiple of ${factor}`,
    );
  }
  return imageSize / factor;
}

/** @throws UserError (usage) where nothing would be left of the images before the head */
export function requireSize(model: string, imageSize: number, smallest: number): void {
  if (imageSize < smallest) {
    throw new UserError(
      `${model} needs images of at least ${smallest} pixels a side, not ${imageSize}`,
      ExitCode.usage,
      "resize the images, or choose a model with less pooling",
    );
  }
}
