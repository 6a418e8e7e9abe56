/** What tests of the constraint's forms need: a batch, kernels, and slopes beside gradients. */

import assert from "node:assert/strict";
import type { ClassKernels } from "../../engine/doctor/forms/form.ts";
import { ancestors, type Tensor, Variable } from "../../engine/tensor/mod.ts";
import { interpret } from "../../engine/reference/interpreter.ts";
import { random } from "./check.ts";
import { CHANNELS, CLASSES, SIZE } from "./train.ts";

export const LAYERS = ["features.0", "features.4", "input"];
const WIDTHS = [4, 5, CHANNELS];
export const BATCH = 4;

/** A batch of random numbers: half of each mask is background, or parts of pixels. */
export function batch() {
  return {
    images: random([BATCH, SIZE, SIZE, CHANNELS]),
    labels: new Variable("labels", [BATCH], Uint32Array.of(0, 2, 1, 2)),
    background: new Variable(
      "background",
      [BATCH, SIZE, SIZE, 1],
      random([BATCH * SIZE * SIZE]).initial.map(Math.abs) as Float32Array<ArrayBuffer>,
    ),
  };
}

export const masks = LAYERS.map((layer, l) => ({
  layer,
  mask: new Variable(
    `mask of ${layer}`,
    [CLASSES, WIDTHS[l]],
    Float32Array.from({ length: CLASSES * WIDTHS[l] }, (_, i) => i * 7 % 3 === 0 ? 1 : 0),
  ),
}));

/** The kernels by layer, as the penalty takes them. */
export const byLayer = (of: readonly ({ layer: string } & ClassKernels)[]) =>
  new Map(of.map(({ layer, ...kernels }) => [layer, kernels]));

/**
 * The gradients against the change of the loss along a direction of all parameters, in which what is
 * constant to gradients keeps its value.
 */
export function checkSlope(
  loss: Tensor,
  parameters: readonly Variable[],
  gradients: readonly Float64Array[],
): void {
  const directions = parameters.map(({ shape }) => random(shape).initial);
  const detached = ancestors(loss).filter(({ operation }) => operation.name === "detach");
  const kept = interpret(detached).map((values, i) => [detached[i], values] as const);
  const along = (step: number) => {
    const moved = parameters.map((p, i) =>
      [p, Float64Array.from(p.initial, (w, j) => w + step * directions[i][j])] as const
    );
    return interpret([loss], new Map<Tensor, ArrayLike<number>>([...kept, ...moved]))[0][0];
  };
  const step = 1e-6;
  const difference = (along(step) - along(-step)) / (2 * step);
  const slope = gradients.reduce(
    (total, g, i) => total + g.reduce((sum, value, j) => sum + value * directions[i][j], 0),
    0,
  );
  const error = Math.abs(difference - slope) / Math.abs(slope);
  assert.ok(error < 1e-4, `differences say ${difference}, gradients ${slope}`);
}
