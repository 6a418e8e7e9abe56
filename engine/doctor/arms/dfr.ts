/**
 * Deep feature reweighting: the last layer alone is trained on, on features as they are in a test,
 * with images drawn so that every group is as likely. The paper solves for that layer by logistic
 * regression with an L1 penalty; here it is trained from where it stands, as all arms are.
 */

import { balanced } from "../../train/order.ts";
import { headParameters } from "../head.ts";
import { defineArm } from "./arm.ts";
import { groupingOption, trainingGroups } from "./groups.ts";

export const dfr = defineArm({
  name: "dfr",
  words: "its last layer alone trained on, on images of all groups alike",
  help: "the last layer alone, on images of all groups alike",
  source: "Kirichenko et al., ICLR 2023",
  needs: ["groups"],
  options: { dfrGroups: groupingOption("dfr") },
  cost: 0.5,
  recipe: ({ network, set, split: { train } }, { dfrGroups }) => {
    const { of, note } = trainingGroups(train, dfrGroups);
    return {
      trainable: { names: new Set(headParameters(network, set).keys()), evaluation: true },
      order: balanced(of),
      settings: { dfrGroups },
      note,
    };
  },
});
