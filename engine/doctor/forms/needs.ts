/** What forms can't do without, and what is said where it is missing. */

import { ExitCode, UserError } from "../../errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { isUniformInSpace } from "../constant.ts";
import { weightFlag } from "../terms.ts";
import { scoreGradients } from "../score.ts";
import type { Need, Site } from "./form.ts";

/** @throws UserError (method) for the first need that is not met, in the order of the needs */
export function requireNeeds(needs: readonly Need[], site: Site): void {
  for (const need of needs) CHECKS[need](site);
}

const CHECKS: Readonly<Record<Need, (site: Site) => void>> = {
  "background": ({ term, graph: { background } }) => {
    if (background) return;
    throw new UserError(
      `the ${term}-wise constraint (${weightFlag(term)}) needs to know where the background is, ` +
        "and this data set has no masks",
      ExitCode.method,
      `use ${
        weightFlag(term)
      } 0, masks of some images (--masks DIR; see deno task sift), or data ` +
        "that has them, such as --data shapes",
    );
  },
  "pixels": ({ term, graph: { output }, layers }) => {
    const flat = layers.find((layer) => output(layer).rank !== 4);
    if (flat === undefined) return;
    throw new UserError(
      `layer ${flat} has no height and width, which the ${term}-wise constraint needs`,
      ExitCode.method,
      "choose a layer before the head, such as features",
    );
  },
  // A share that is the same whatever the network does would be no constraint.
  "movable gradient": ({ term, graph: { logits, labels, output }, layers }) => {
    const gradients: Tensor[] = scoreGradients(logits, labels, layers.map(output));
    const fixed = layers.find((_, i) => isUniformInSpace(gradients[i]));
    if (fixed === undefined) return;
    throw new UserError(
      `the ${term}-wise share at ${fixed} is constant: the network reads the mean of that layer, ` +
        "so its gradient is the same at every pixel and can't be moved",
      ExitCode.method,
      "choose an earlier layer (deno task models NAME --layers lists them), or the published form",
    );
  },
};
