/**
 * The constraint on top of `swap`: is there anything left for a gradient to hold down where the
 * background is exchanged already? What it gains over swap alone is what the constraint adds to the
 * strongest simple rival that knows the same masks.
 */

import { defineArm } from "./arm.ts";
import { onSwapped } from "./swap.ts";
import { constrained } from "./treated.ts";

export const swapTreated = defineArm({
  name: "swap-treated",
  words: "trained on with the constraint, with every figure on another image's background",
  help: "swap and the constraint together",
  needs: ["masks"],
  isConstrained: true,
  options: {},
  cost: 3,
  recipe: (site) => ({ ...constrained(site), ...onSwapped }),
});
