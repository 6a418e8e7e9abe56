/** The control: the same further training without anything else. What it gains is training's. */

import { defineArm } from "./arm.ts";

export const control = defineArm({
  name: "control",
  words: "trained on as all others are, without anything else",
  help: "further training alone",
  needs: [],
  options: {},
  recipe: () => ({}),
});
