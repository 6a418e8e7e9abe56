/**
 * Kernels that come in variants: rows of parameters that change how fast they are and never what
 * they compute, bit by bit. Each kernel knows a good one by rule; a tuner (engine/tune) may have
 * measured a better one on the adapter at hand.
 */
import type { Kernel, Tunable } from "../kernel.ts";
import type { Target } from "./target.ts";

/** The variant that was measured as the fastest for this class of shapes, else the first. */
export function tuned(tunable: Omit<Tunable, "chosen">, { tuning }: Target): Kernel {
  const { shapeClass, variants } = tunable;
  const fastest = tuning?.get(shapeClass);
  const { name, make } = variants.find(({ name }) => name === fastest) ?? variants[0];
  return { ...make(), tunable: { ...tunable, chosen: name } };
}
