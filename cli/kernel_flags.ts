/** Flags by which layers are diagnosed and kernels told from others. */

import { flagTable } from "./framework/flags.ts";
import { needs } from "./framework/rules.ts";
import { MAX_IMAGES } from "./train_flags.ts";

/** By what a class's kernels are told. */
export const kernelFlags = flagTable({
  theta: {
    type: "number",
    min: 0,
    max: 1,
    default: 0.2,
    help: "share of a class's strongest response from which a kernel is its own",
  },
  imagesPerClass: {
    type: "integer",
    min: 1,
    max: MAX_IMAGES,
    default: 50,
    help: "images to diagnose a class by",
  },
});

export const diagnosisFlags = flagTable({
  layer: {
    type: "list",
    of: "string",
    default: ["features"],
    help: "the layers: features (what feeds the head), last (convolution), convs, input, or " +
      "module paths and globs",
  },
  ...kernelFlags,
  noise: {
    type: "number",
    min: 0,
    max: 1000,
    default: 0,
    help: "half width of feature noise in diagnosis",
  },
  noiseCopies: {
    type: "integer",
    min: 1,
    max: 10000,
    default: 10,
    help: "noisy copies to average over",
    need: needs.nonzero("noise"),
  },
});
