/**
 * Half-Decoy MNIST: the figure at half its height, and in the other half, above or below it, nothing
 * but the class's grey; in the test that of a random class. Half of the picture is the shortcut, and
 * the mask leaves it out.
 *
 * Source: "Model Guidance via Robust Feature Attribution" (TMLR 2025) and the authors' code.
 */
import { greyNames, greyOf } from "./greys.ts";
import { resizeBilinear } from "./resize.ts";
import { type Picture, type Shortcut, UNIT_RANGE } from "./shortcut.ts";

export const halfDecoy: Shortcut = {
  name: "half-decoy",
  what: "half of the picture in grey",
  channels: 1,
  preparation: UNIT_RANGE,
  kinds: greyNames,
  testCorrelation: 0,
  paint({ height, width, figure, kind, word, image, coverage }: Picture) {
    const half = height >> 1;
    const top = word(0) & 1 ? half : 0;
    image.fill(greyOf(kind));
    image.set(resizeBilinear(figure, { height, width }, { height: half, width }), top * width);
    coverage.fill(255, top * width, (top + half) * width);
  },
};
