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
];
