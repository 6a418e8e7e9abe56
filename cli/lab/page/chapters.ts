/** The chapters, in the order in which they are read. A literal path each, loaded when opened. */

import type { Entry } from "./chapter.ts";

export const chapters: readonly Entry[] = [
  {
    id: "tensor",
    title: "A tensor is a node",
    summary: "What a gradient is made of: a graph, differentiated once, twice, three times, and " +
      "what a plan makes of it before it is computed.",
    load: () => import("./chapters/tensor.ts"),
  },
  {
    id: "convolution",
    title: "Convolution is one trilinear form",
    summary:
      "Forward pass and gradients as three readings of one sum: point at any element, follow " +
      "a strided gradient by phases and a double backward by hand.",
    load: () => import("./chapters/convolution.ts"),
  },
  {
    id: "norm",
    title: "Batch normalisation, max pooling, softmax",
    summary: "First and second derivative of three operations in which terms get lost: drop one, " +
      "and see what notices.",
    load: () => import("./chapters/norm.ts"),
  },
  {
    id: "ladder",
    title: "From a loop to a block",
    summary:
      "A convolution kernel in eight steps, each with one idea more: checked, then timed on " +
      "your GPU.",
    load: () => import("./chapters/ladder.ts"),
  },
  {
    id: "machine",
    title: "A training step as a machine",
    summary:
      "The plan of a network's step: its kernels in order, memory over time, what was fused; " +
      "forward, gradient and second derivative told apart.",
    load: () => import("./chapters/machine.ts"),
  },
  {
    id: "doctor",
    title: "Model Doctor, live",
    summary:
      "A network that goes by the background: where it looks, which kernels a class lives on, " +
      "and a treatment beside its control and its placebo.",
    load: () => import("./chapters/doctor.ts"),
  },
];
