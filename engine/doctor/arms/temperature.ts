/** The control, calibrated: its logits divided by a temperature; see doctor/temperature.ts. */

import { foldTemperature } from "../temperature.ts";
import { imagesAtATime } from "../treatment.ts";
import { defineArm } from "./arm.ts";

export const temperature = defineArm({
  name: "temperature",
  words: "trained on as the control, its confidence then fitted to the validation images",
  help: "the control with its confidence fitted on the validation images",
  source: "Guo et al., ICML 2017",
  needs: ["scalable head"],
  options: {},
  recipe: ({ runtime, network, set, split: { validation }, settings, signal }) => ({
    finish: async () => {
      const batch = imagesAtATime(settings);
      await foldTemperature(runtime, network, set, { validation, batch, signal });
    },
  }),
});
