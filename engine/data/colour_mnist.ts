/**
 * ColorMNIST: figures in one of ten colours from red to purple, in training the class's own, in the
 * test in reverse order, so that class 0 has class 9's. The colour is on the figure itself: no mask
 * of the figure tells it from the shortcut.
 *
 * Source: Rieger, Singh, Murdoch, Yu, "Interpretations are Useful" (ICML 2020, "CDEP") and the
 * authors' code. Theirs is float, ours is rounded to bytes; theirs chooses the epoch on images with
 * the test's colours, ours, as always, on a part of the training images.
 */
import { type Picture, type Shortcut } from "./shortcut.ts";
import { clamp } from "./textures.ts";

const COLOURS = 10;

/**
 * Red, green and blue in 0 .. 1: hue and lightness go in equal steps from red (0, 1/2) to purple
 * (5/6, 64/255) at full saturation.
 */
export function colourOf(label: number): [number, number, number] {
  const share = label / (COLOURS - 1);
  const hue = 5 * share; // in sixths of the circle
  const brightest = 2 * (1 / 2 + share * (64 / 255 - 1 / 2));
  const channel = (strength: number) => brightest * clamp(strength);
  return [
    channel(Math.abs(hue - 3) - 1),
    channel(2 - Math.abs(hue - 2)),
    channel(2 - Math.abs(hue - 4)),
  ];
}

const colours = Array.from({ length: COLOURS }, (_, label) => colourOf(label));

export const colourMnist: Shortcut = {
  name: "colour-mnist",
  what: "figures in colour",
  channels: 3,
  // Measured on the training images, as the paper does.
  preparation: {
    mean: [0.0506, 0.0542, 0.0392],
    std: [0.1766, 0.1771, 0.1319],
    augmentation: { cropPadding: 0, flip: false },
  },
  kinds: [
    ...["red", "orange", "yellow", "lime", "green"],
    ...["turquoise", "azure", "blue", "indigo", "purple"],
  ],
  paint({ figure, kind, image, coverage }: Picture) {
    coverage.set(figure);
    figure.forEach((ink, p) =>
      colours[kind].forEach((share, c) => image[3 * p + c] = Math.round(ink * share))
    );
  },
};
