/**
 * The share of the gradient on the background, where the background is another: the largest of three
 * shares, each at the image's figure on the background of another image of the batch. A network that
 * looks at the figure on the backgrounds that it was trained with, and elsewhere on others, is held
 * as well. (The worst of several images near the given one, as in R4, of which these are the ones
 * that masks make.)
 *
 *     L = 1/B sum_b  max over o = 1, 2, 3 of S_b(x_b on the background of x_(b+o))
 *
 * with S the share of share.ts. Three passes forward and back beside the image's own.
 */

import { maximum } from "../../tensor/pointwise.ts";
import { mean } from "../../tensor/reduce.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { onOtherBackgrounds, ownTexture } from "../exchange.ts";
import { scoreGradients } from "../score.ts";
import { BY_RATIO, type Form, type Site } from "./form.ts";
import { backgroundAt } from "./outside.ts";
import { sharesOutside } from "./share.ts";

/** How many places further in the batch the backgrounds are taken from. */
const OFFSETS = [1, 2, 3];

export const perturbed = {
  name: "perturbed",
  words: "as the largest share on other backgrounds",
  help: "the largest such share of three on other images' backgrounds",
  space: {
    ...BY_RATIO,
    weight: 0.3,
    needs: ["background", "pixels", "movable gradient"],
    build: (site) => {
      const shares = OFFSETS.map((offset) => sharesAt(site, offset));
      return site.layers.map((_, l) =>
        mean(shares.map((of) => of[l]).reduce((a, b) => maximum(a, b)))
      );
    },
  },
} as const satisfies Form;

/** At each layer the shares [B] of the images on the backgrounds of those `offset` places on. */
function sharesAt({ graph, layers }: Site, offset: number): Tensor[] {
  const background = graph.background!;
  const { logits, output } = graph.again(
    onOtherBackgrounds(graph.output("input"), background, offset, ownTexture),
  );
  return scoreGradients(logits, graph.labels, layers.map(output))
    .map((gradient) => sharesOutside(gradient, backgroundAt(background, gradient)));
}
