/** Where a class's gradient should not be: on kernels that are not its own, on the background. */

import { gatherRows } from "../../tensor/indexing.ts";
import { reshape } from "../../tensor/movement.ts";
import { sub } from "../../tensor/pointwise.ts";
import { adaptiveAvgPool2d } from "../../tensor/pool.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ClassKernels } from "./form.ts";

/** For each sample the kernels that are known not to be its class's own, 1 - mask: [B, C]. */
export function foreignKernels({ mask, known }: ClassKernels, labels: Tensor): Tensor {
  return sub(known ? gatherRows(known, labels) : 1, gatherRows(mask, labels));
}

/** 1 for the kernels that are not the label's own, at a layer of some rank: [B, 1, .., C]. */
export function strayKernels(kernels: ClassKernels, labels: Tensor, rank: number): Tensor {
  const ones = new Array<number>(rank - 2).fill(1);
  return reshape(foreignKernels(kernels, labels), [labels.size, ...ones, kernels.mask.shape[1]]);
}

/** The background of the images at a layer, by area: [B, h, w, 1] for a gradient [B, h, w, C]. */
export function backgroundAt(mask: Tensor, { shape: [, height, width] }: Tensor): Tensor {
  return adaptiveAvgPool2d(mask, [height, width]);
}
