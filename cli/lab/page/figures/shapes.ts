/// <reference lib="dom" />
/**
 * The patient of the laboratory: the small network, a quarter as wide, trained on `shapes` whose
 * backgrounds go with the class in nine training images of ten. Its weights are in
 * small_shapes.base64, made by
 *
 *     deno task train --width 0.25 --correlation 0.9 --out runs/lab
 *     base64 -w 100 runs/lab/model.safetensors > cli/lab/page/figures/small_shapes.base64
 */

import type { DataSet, MemorySplit } from "../../../../engine/data/dataset.ts";
import { makeShapes } from "../../../../engine/data/shapes.ts";
import { decodeSafetensors } from "../../../../engine/io/safetensors.ts";
import { fill } from "../../../../engine/lab/look.ts";
import type { Module } from "../../../../engine/nn/module.ts";
import { classifier, createClassifier } from "../../../../models/mod.ts";
import weights from "./small_shapes.base64" with { type: "text" };

/** Its last map, at which kernels are diagnosed, and the one before its last convolution's. */
export const LAYER = "features";
export const SPACE_LAYER = "features.8";

/** Some of the training images, and of test images, whose backgrounds go with nothing. */
export const shapes = once((): DataSet<MemorySplit> =>
  makeShapes({ train: 640, test: 200, correlation: 0.9 })
);

const state = once(() =>
  decodeSafetensors(Uint8Array.from(atob(weights), (c) => c.charCodeAt(0)), "the patient").tensors
);

/** The trained network, anew at each call. */
export function patient(): Module {
  const { channels: inChannels, classes: { length: numClasses }, height: imageSize } = shapes();
  const options = { inChannels, numClasses, imageSize, width: 0.25 };
  const network = createClassifier(classifier("small"), options);
  fill(network, state(), "the patient's weights");
  return network;
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
