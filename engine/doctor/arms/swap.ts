/**
 * Figures on other images' backgrounds, anew in every step: what the masks tell, put to use without
 * any gradient. With the background gone from what goes with the label, a network has only the
 * figure to go by. The other image's own figure, of which even an outline tells another class, is
 * hidden by the texture of its background (see exchange.ts). The neighbour in a batch is a random
 * other image, since batches are in random order.
 */

import { onOtherBackgrounds, ownTexture } from "../exchange.ts";
import { defineArm, type Recipe } from "./arm.ts";

export const swap = defineArm({
  name: "swap",
  words: "trained on with every figure on another image's background",
  help: "every figure on another image's background, by the masks",
  source: "Xiao et al., ICLR 2021 (mixed backgrounds)",
  needs: ["masks"],
  options: {},
  recipe: () => onSwapped,
});

export const onSwapped: Recipe = {
  transform: ({ images, background, ...batch }) => ({
    ...batch,
    background,
    images: background ? onOtherBackgrounds(images, background, 1, ownTexture) : images,
  }),
};
