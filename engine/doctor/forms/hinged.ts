/**
 * The share of the gradient on the background, down to a part of the background's area:
 *
 *     L = 1/B sum_b relu(S_b - rho area_b)
 *
 * with S the share of share.ts and area_b the share of background in the image. A gradient that
 * looked at no place more than at others would have S = area. What is below rho times that is asked
 * for nothing more, so that the constraint doesn't go on to pull where it is met.
 */

import { mul, relu, sub } from "../../tensor/pointwise.ts";
import { mean } from "../../tensor/reduce.ts";
import { scoreGradients } from "../score.ts";
import { BY_RATIO, type Form } from "./form.ts";
import { backgroundAt } from "./outside.ts";
import { sharesOutside } from "./share.ts";

export const hinged = {
  name: "hinged",
  words: "as a share beyond a part of the area",
  help: "what of such a share exceeds rho times the background's area",
  space: {
    ...BY_RATIO,
    weight: 1,
    needs: ["background", "pixels", "movable gradient"],
    options: {
      rho: {
        type: "number",
        min: 0,
        max: 1,
        default: 0.5,
        help: "hinged: the part of the background's area down to which a share is held",
      },
    },
    build: ({ graph: { logits, labels, output, background }, layers }, { rho }) =>
      scoreGradients(logits, labels, layers.map(output)).map((gradient) => {
        const outside = backgroundAt(background!, gradient);
        const area = mean(outside, [1, 2, 3]);
        return mean(relu(sub(sharesOutside(gradient, outside), mul(area, rho))));
      }),
  },
} as const satisfies Form;
