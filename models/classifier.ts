/** What every classifier of this folder is: a module from images [N, H, W, C] to logits [N, K]. */

import { ExitCode, UserError } from "../engine/errors.ts";
import type { Module } from "../engine/nn/module.ts";

export interface ClassifierOptions {
  readonly inChannels: number;
  readonly numClasses: number;
  /** Height and width of the images, in pixels. */
  readonly imageSize: number;
  /** The channels of its layers, times this (default 1); for families that come in widths. */
  readonly width?: number;
}

export interface ClassifierEntry {
  readonly name: string;
  /** One line: the paper, or what it is for. */
  readonly summary: string;
  /** The module whose output is the final feature map that feeds the head. */
  readonly featureLayer: string;
  /** Height and width of the images that it is made for, where not 32 pixels. */
  readonly imageSize?: number;
  /** The widths that it comes in besides 1. */
  readonly widths?: "any" | readonly number[];
  /** What a network in a file is made for, and nothing else. */
  readonly fixed?: {
    readonly inChannels: number;
    readonly numClasses: number;
    /** Absent where it takes images of any size. */
    readonly imageSize?: number;
  };
  /** See `createClassifier`. */
  create(options: ClassifierOptions): Module;
}

/** Where nothing is asked for, a network in a file is built for its own images and classes. */
export function optionsFor(
  { fixed }: ClassifierEntry,
  asked: Partial<ClassifierOptions>,
  usual: ClassifierOptions,
): ClassifierOptions {
  return {
    inChannels: asked.inChannels ?? fixed?.inChannels ?? usual.inChannels,
    numClasses: asked.numClasses ?? fixed?.numClasses ?? usual.numClasses,
    imageSize: asked.imageSize ?? fixed?.imageSize ?? usual.imageSize,
    width: asked.width ?? usual.width,
  };
}

/**
 * Builds a classifier, its parameters at their default; see `initialize`.
 * @throws UserError (usage) where it can't have the image size or the width
 */
export function createClassifier(entry: ClassifierEntry, options: ClassifierOptions): Module {
  const { width = 1 } = options;
  if (comesInWidth(entry, width)) return entry.create(options);
  throw new UserError(
    `${entry.name} does not come ${width} times as wide`,
    ExitCode.usage,
    entry.widths
      ? `its widths are 1 and ${entry.widths}`
      : "leave --width out, or choose a model for which deno task models shows widths",
  );
}

/** Whether a classifier can be built `width` times as wide. */
export function comesInWidth({ widths = [] }: ClassifierEntry, width: number): boolean {
  return width === 1 || widths === "any" || widths.includes(width);
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
