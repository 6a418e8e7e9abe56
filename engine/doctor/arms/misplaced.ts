/**
 * The masks and kernels that a constraint rests on, with what they say taken away and everything
 * else left: as many, as large, of the same images and classes. A gain that they give too is not
 * theirs.
 */

import { type Masks, NO_MASK } from "../../data/dataset.ts";
import { permutation, streamId } from "../../random.ts";
import { type Tensor, Variable } from "../../tensor/tensor.ts";
import type { ClassKernels } from "../forms/form.ts";

/**
 * Each image that has a mask gets that of another one, along a random cycle through all of them: no
 * image keeps its own where there are two.
 */
export function masksOfOthers(masks: Masks, seed: number): Masks {
  const masked = Array.from(masks.rows.keys()).filter((i) => masks.rows[i] !== NO_MASK);
  const cycle = permutation(masked.length, seed, streamId("placebo/masks")).map((m) => masked[m]);
  const rows = masks.rows.slice();
  cycle.forEach((image, m) => rows[image] = masks.rows[cycle[(m + 1) % cycle.length]]);
  return { ...masks, rows };
}

/** Every image that has a mask gets the mean of all. */
export function meanMask(masks: Masks): Masks {
  const { coverage, rows } = masks;
  const pixels = coverage.length / masks.count;
  const masked = rows.filter((row) => row !== NO_MASK);
  const sums = new Float64Array(pixels);
  for (const row of masked) {
    for (let p = 0; p < pixels; p++) sums[p] += coverage[row * pixels + p];
  }
  return {
    coverage: Uint8Array.from(sums, (sum) => Math.round(sum / masked.length)),
    count: 1,
    rows: rows.map((row) => row === NO_MASK ? NO_MASK : 0),
  };
}

type Kernels = ReadonlyMap<string, ClassKernels>;

/** Each class gets as many kernels as it has, but random ones. */
export function otherKernels(kernels: Kernels, seed: number): Kernels {
  return withMasks(kernels, (values, channels, name) => {
    const shuffled = (k: number) => permutation(channels, seed, streamId(`${name}/${k}`));
    const orders = Array.from({ length: values.length / channels }, (_, k) => shuffled(k));
    return values.map((_, at) => {
      const k = Math.floor(at / channels);
      return values[k * channels + orders[k][at % channels]];
    });
  });
}

/** Every class gets the same kernels, each as much as it is the classes' own on average. */
export function meanKernels(kernels: Kernels): Kernels {
  return withMasks(kernels, (values, channels, _, isKnown) => {
    const classes = Array.from({ length: values.length / channels }, (_, k) => k).filter(isKnown);
    const mean = Array.from(
      { length: channels },
      (_, j) => classes.reduce((sum, k) => sum + values[k * channels + j], 0) / classes.length,
    );
    return values.map((_, at) => mean[at % channels]);
  });
}

/** The kernels with other values in each mask [classes, channels]. */
function withMasks(
  kernels: Kernels,
  change: (
    values: Float32Array<ArrayBuffer>,
    channels: number,
    name: string,
    isKnown: (k: number) => boolean,
  ) => Float32Array<ArrayBuffer>,
): Kernels {
  return new Map([...kernels].map(([layer, { known, mask }]) => {
    const isKnown = (k: number) => known === undefined || valuesOf(known)[k] === 1;
    const name = `placebo's mask of ${layer}`;
    const values = change(valuesOf(mask), mask.shape[1], name, isKnown);
    return [layer, { mask: new Variable(name, mask.shape, values), known }];
  }));
}

/** What a diagnosis found is in variables. */
const valuesOf = (table: Tensor) => (table as Variable).initial as Float32Array<ArrayBuffer>;
