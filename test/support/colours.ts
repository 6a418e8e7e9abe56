/** A data set that a small network learns in a second: the figure's colour is the class. */

import { type DataSet, masksOfAll, type MemorySplit } from "../../engine/data/dataset.ts";
import { pickBackground } from "../../engine/data/backgrounds.ts";
import { below, draws, hash, uniform } from "../../engine/random.ts";

const SIDE = 16;
const FIGURE = 6;
const COLOURS = {
  ...{ red: [1, 0, 0], green: [0, 1, 0], blue: [0, 0, 1] },
  ...{ cyan: [0, 1, 1], pink: [1, 0, 1], yellow: [1, 1, 0] },
};
const classes = Object.keys(COLOURS);

/** How strongly figures and backgrounds have their colours; the rest is noise. */
const [FIGURES, BACKGROUNDS, NOISE] = [100, 50, 150];

/** Squares of 6 x 6 pixels somewhere on 16 x 16, on a background with a fainter colour. */
export function makeColours(
  images: number,
  seed: number,
  correlation: number,
): DataSet<MemorySplit> {
  return {
    ...{ name: "colours", classes, backgroundNames: classes, source: "made for tests" },
    ...{ height: SIDE, width: SIDE, channels: 3 },
    ...{ mean: [0.4, 0.4, 0.4], std: [0.25, 0.25, 0.25] },
    augmentation: { cropPadding: 0, flip: false },
    train: split(images, hash(seed, 0, 0), correlation),
    test: split(10, hash(seed, 0, 1), 0),
  };
}

function split(n: number, seed: number, correlation: number): MemorySplit {
  const images = new Uint8Array(n * SIDE * SIDE * 3);
  const coverage = new Uint8Array(n * SIDE * SIDE);
  const labels = Uint16Array.from({ length: n }, (_, i) => i % classes.length);
  const backgrounds = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const word = draws(seed, i);
    let counter = 0;
    const kind = pickBackground(
      labels[i],
      classes.length,
      correlation,
      word(counter++),
      () => uniform(word(counter++)),
    );
    backgrounds[i] = kind;
    const [top, left] = [1, 2].map(() => below(word(counter++), SIDE - FIGURE + 1));
    for (let p = 0; p < SIDE * SIDE; p++) {
      const [y, x] = [Math.floor(p / SIDE) - top, p % SIDE - left];
      const inside = x >= 0 && y >= 0 && x < FIGURE && y < FIGURE;
      coverage[i * SIDE * SIDE + p] = inside ? 255 : 0;
      const colour = Object.values(COLOURS)[inside ? labels[i] : kind];
      colour.forEach((c, channel) => {
        images[(i * SIDE * SIDE + p) * 3 + channel] = below(word(counter++), NOISE) +
          c * (inside ? FIGURES : BACKGROUNDS);
      });
    }
  }
  return { images, labels, masks: masksOfAll(coverage, n), backgrounds };
}
