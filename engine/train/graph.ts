/** What a training step is about: a batch, and what the network makes of it. */

import type { Module } from "../nn/module.ts";
import { observe } from "../nn/observe.ts";
import type { AssignmentPair, Tensor } from "../tensor/tensor.ts";

/** What a network is applied to in a training step. */
export interface Batch {
  /** [B, H, W, C] */
  readonly images: Tensor;
  /** [B] (u32) */
  readonly labels: Tensor;
  /** [B, H, W, 1] */
  readonly background?: Tensor;
  /** Which of the split's images these are, [B] (u32): picks rows of other tables of the split. */
  readonly indices?: Tensor;
  /** What the logits shall become, as a distribution over the classes [B, K]; the labels if absent. */
  readonly targets?: Tensor;
  /** What part of its step these images are, in 0 .. 1; all of them if absent. */
  readonly share?: number;
}

/**
 * Changes a batch on the device: other images, softer targets. It keeps the number of images.
 * @param key seed and step [2] (u32), for what it draws
 */
export type Transform = (batch: Batch, key: Tensor) => Batch;

/** The network applied to images. */
export interface Applied {
  readonly logits: Tensor;
  /** The output of a module by its name; "input" is the images themselves. See `observe`. */
  output(layer: string): Tensor;
}

/** What a loss may depend on: the network applied to the batch, and what is known of it. */
export interface StepGraph extends Omit<Batch, "images">, Applied {
  /** Share of background in each pixel [B, H, W, 1], where the data has masks. */
  readonly background?: Tensor;
  /**
   * The network applied to other images [B, H, W, C] in the same mode, with the same dropout; the
   * running averages take no part in it.
   */
  again(images: Tensor): Applied;
}

export interface ForwardOptions {
  /** Whether with batch statistics and dropout, as in training, or with running averages. */
  readonly training?: boolean;
}

/** The network applied to a batch, and its updates of running averages. */
export function forward(
  network: Module,
  { images, ...batch }: Batch,
  key: Tensor,
  { training = true }: ForwardOptions = {},
): { graph: StepGraph; updates: readonly AssignmentPair[] } {
  const apply = (images: Tensor) => {
    const { logits, updates, layer } = observe(network, images, { training, key });
    return { applied: { logits, output: layer }, updates };
  };
  const { applied, updates } = apply(images);
  const again = (images: Tensor) => apply(images).applied;
  return { graph: { ...batch, ...applied, again }, updates };
}
