/**
 * Decoy MNIST: a swatch of 4 x 4 pixels in a random corner, in training in the class's grey, in the
 * test in that of a random class. The mask leaves out the swatch: what is under it does not matter.
 *
 * Source: Ross, Hughes, Doshi-Velez, "Right for the Right Reasons" (IJCAI 2017), and the authors'
 * code, where the network's input is the byte itself (`--scale 1`).
 *
 * "Model Guidance via Robust Feature Attribution" (TMLR 2025, "R4") measures the worst class on such a
 * test too, with inputs of 0 .. 1.
 */
import { greyNames, greyOf } from "./greys.ts";
import { type Picture, type Shortcut, UNIT_RANGE } from "./shortcut.ts";

/** Pixels of a swatch along a side. */
const SIDE = 4;

export const decoy: Shortcut = {
  name: "decoy",
  what: "a swatch in a corner",
  channels: 1,
  preparation: UNIT_RANGE,
  kinds: greyNames,
  testCorrelation: 0,
  paint({ height, width, figure, kind, word, image, coverage }: Picture) {
    image.set(figure);
    coverage.fill(255);
    const corner = word(0);
    const top = corner & 1 ? height - SIDE : 0;
    const left = corner & 2 ? width - SIDE : 0;
    for (let h = top; h < top + SIDE; h++) {
      const row = h * width + left;
      image.fill(greyOf(kind), row, row + SIDE);
      coverage.fill(0, row, row + SIDE);
    }
  },
};
