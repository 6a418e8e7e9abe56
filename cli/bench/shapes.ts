/** The convolutions of classifiers, traced from the classifiers themselves. */

import type { ConvShape } from "../../engine/gpu/kernels/conv_shape.ts";
import { Parameter, run } from "../../engine/nn/module.ts";
import { ancestors } from "../../engine/tensor/autograd.ts";
import { CONV2D } from "../../engine/tensor/conv.ts";
import { Input } from "../../engine/tensor/tensor.ts";
import {
  type ClassifierEntry,
  type ClassifierOptions,
  optionsFor,
} from "../../models/classifier.ts";
import { classifierOrFile } from "../model_file.ts";

/** Where a network in a file is made for no others. */
const USUAL: ClassifierOptions = { imageSize: 32, inChannels: 3, numClasses: 10 };

/** Kinds of convolutions that are bound by different things. */
export const CLASSES_OF_SHAPES = [
  "3x3",
  "1x1",
  "strided",
  "first layer",
  "depthwise",
  "other",
] as const;
export type ShapeClass = typeof CLASSES_OF_SHAPES[number];

export interface TracedShape {
  readonly shape: ConvShape;
  readonly class: ShapeClass;
  /** The classifiers that have it. */
  readonly models: readonly string[];
}

/**
 * The distinct convolutions of the classifiers, in the order in which they are met.
 * @throws UserError (usage) for a classifier that there isn't
 */
export async function tracedShapes(
  models: readonly string[],
  batch: number,
): Promise<TracedShape[]> {
  const found = new Map<string, { shape: ConvShape; models: Set<string> }>();
  for (const model of models) {
    for (const shape of convolutionsOf(await classifierOrFile(model), batch)) {
      const key = JSON.stringify(shape);
      const entry = found.get(key) ?? { shape, models: new Set() };
      entry.models.add(model);
      found.set(key, entry);
    }
  }
  return [...found.values()].map(({ shape, models }) => ({
    shape,
    class: classOf(shape),
    models: [...models],
  }));
}

function convolutionsOf(entry: ClassifierEntry, batch: number): ConvShape[] {
  const options = optionsFor(entry, {}, USUAL);
  const { imageSize: size, inChannels } = options;
  const images = new Input("images", [batch, size, size, inChannels]);
  const { output } = run(entry.create(options), images, { training: false });
  return ancestors(output)
    // Average pools are convolutions with fixed weights.
    .filter(({ operation, inputs }) => operation === CONV2D && inputs[1] instanceof Parameter)
    .sort((a, b) => a.id - b.id)
    .map((node) => CONV2D.attributesOf(node));
}

/** The first that fits: a depthwise convolution with a stride is depthwise. */
function classOf({ groups, inChannels, stride, kernelHeight, kernelWidth }: ConvShape): ShapeClass {
  if (groups > 1) return groups === inChannels ? "depthwise" : "other";
  if (inChannels <= 4) return "first layer";
  if (stride.some((step) => step > 1)) return "strided";
  if (kernelHeight === 1 && kernelWidth === 1) return "1x1";
  return kernelHeight === 3 && kernelWidth === 3 ? "3x3" : "other";
}
