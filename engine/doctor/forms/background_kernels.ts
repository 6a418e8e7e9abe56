/**
 * The share of an image's evidence that comes from its class's background kernels, which are found at
 * the diagnosis (background.ts):
 *
 *     L = 1/B sum_b  sum_j M[c_b, j] |g A|_j / sum_j |g A|_j,   g = d s_c / dA
 *
 * The published mask marks the kernels that a class is surest by, a shortcut's among them, and
 * protects them; this one marks those of which the evidence lies beside the figure.
 */

import { gatherRows } from "../../tensor/indexing.ts";
import { reshape } from "../../tensor/movement.ts";
import { mul } from "../../tensor/pointwise.ts";
import { scoreGradients } from "../score.ts";
import { BY_RATIO, type Form } from "./form.ts";
import { shareOutside } from "./share.ts";

export const backgroundKernels = {
  name: "background-kernels",
  words: "as the share of evidence from background kernels",
  help: "the share of |gradient x activation| on kernels that a class has in the background",
  channel: {
    ...BY_RATIO,
    weight: 0.3,
    needs: ["background", "pixels"],
    build: ({ graph: { logits, labels, output }, layers, kernels }) => {
      const outputs = layers.map(output);
      return scoreGradients(logits, labels, outputs).map((gradient, l) => {
        const rows = gatherRows(kernels.get(layers[l])!.background!, labels);
        const [batch, channels] = rows.shape;
        const evidence = mul(gradient, outputs[l]);
        return shareOutside(evidence, reshape(rows, [batch, 1, 1, channels]));
      });
    },
  },
} as const satisfies Form;
