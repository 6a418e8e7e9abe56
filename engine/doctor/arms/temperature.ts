/** The control, calibrated: its logits divided by a temperature; see doctor/temperature.ts. */

import { Temperature } from "../temperature.ts";
import { defineArm } from "./arm.ts";

export const temperature = defineArm({
  name: "temperature",
  words: "trained on as the control, its confidence then fitted to the validation images",
  help: "the control with its confidence fitted on the validation images",
  source: "Guo et al., ICML 2017",
  needs: [],
  options: {},
  recipe: async ({ runtime, network, set, split: { validation }, settings: { batch }, signal }) => {
    const make = () => Temperature.make(runtime, network, set, validation, batch);
    const first = await make();
    try {
      await first.require(signal);
    } finally {
      first.destroy();
    }
    return {
      finish: async () => {
        const fitted = await make();
        try {
          await fitted.fold(signal);
        } finally {
          fitted.destroy();
        }
      },
    };
  },
});
