/** Batches that are trained on in parts: the flag, and what is said of it. */

import { BatchNorm2d } from "../engine/nn/layers.ts";
import type { Module } from "../engine/nn/module.ts";
import { divisorOf, type StepSize } from "../engine/train/parts.ts";
import { flagTable } from "./framework/flags.ts";
import { labelled } from "../engine/prose.ts";

export const microBatchFlag = flagTable({
  microBatch: {
    type: "integer",
    min: 1,
    max: 65536,
    help:
      "images of which gradients are taken at a time and added up to those of --batch, which takes " +
      "less memory; a divisor of it (default all of them)",
    rule: ({ batch, microBatch }) => {
      if (microBatch === undefined) return undefined;
      const batches = [batch].flat().map(Number);
      const odd = batches.find((each) => divisorOf(each, Number(microBatch)) !== microBatch);
      return odd === undefined
        ? undefined
        : `${microBatch} does not divide --batch ${odd}; ${
          divisorOf(odd, Number(microBatch))
        } does`;
    },
  },
});

/** Says of steps in parts what they are, and what of the network sees parts alone. */
export function describeParts(
  print: (line: string) => void,
  network: Module,
  { batch, microBatch = batch }: StepSize,
): void {
  if (microBatch === batch) return;
  print(labelled("steps", `${batch} images each, in ${batch / microBatch} parts of ${microBatch}`));
  const isNormed = [...network.namedModules()].some(([, module]) => module instanceof BatchNorm2d);
  if (isNormed) {
    print(
      labelled(
        "",
        `batch normalisation goes by the statistics of each part's ${microBatch} images`,
      ),
    );
  }
}
