/** What a step takes of a GPU: memory by what it holds, operations, and time where that is predicted. */

import { predictedTime } from "../../engine/certify/prediction.ts";
import { RESIDENT_BYTES } from "../../engine/data/batch.ts";
import type { DataSet } from "../../engine/data/dataset.ts";
import type { Constraint } from "../../engine/doctor/constraint.ts";
import { TooLarge } from "../../engine/errors.ts";
import type { Module } from "../../engine/nn/module.ts";
import { bytesOf } from "../../engine/plan/allocate.ts";
import { copiesTask, taskOf } from "../../engine/profile/report.ts";
import type { StepSize } from "../../engine/train/parts.ts";
import type { Variable } from "../../engine/tensor/tensor.ts";
import { draftStage, type Stage } from "../profile/stage.ts";
import type { PlannedMachine } from "./machine.ts";

/** Bytes on the device. */
export interface Memory {
  /** Parameters and running averages. */
  readonly weights: number;
  /** What the optimizer keeps: velocities, moments, sums of gradients. */
  readonly optimizer: number;
  /** Activations and gradients, which share buffers one after the other; a step's inputs. */
  readonly activations: number;
  /** The training images that lie there, or those that are taken at a time. */
  readonly data: number;
}

export interface Estimate {
  readonly model: string;
  readonly stage: Stage;
  readonly batch: number;
  /** Images whose gradients are taken at a time, where that is not all of them. */
  readonly microBatch?: number;
  /** Height and width of the images. */
  readonly size: number;
  readonly memory: Memory;
  /** All of the memory. */
  readonly bytes: number;
  /** Of a step. */
  readonly gflop: number;
  readonly gb: number;
  readonly dispatches: number;
  /** Milliseconds of a step. */
  readonly ms?: number;
  /** A step of this model took so many times the predicted time on the machine, and `ms` has that. */
  readonly ofPredicted?: number;
  readonly imagesPerSecond?: number;
  readonly epochSeconds?: number;
}

/** A step that the GPU has no buffer for. */
export interface Refused extends Pick<Estimate, "model" | "stage" | "batch" | "microBatch"> {
  readonly refused: string;
}

export interface Planned {
  readonly model: string;
  readonly stage: Stage;
  /** Of a training step; a look takes the images that such a step takes at a time. */
  readonly step: StepSize;
  /** Of what the step is made, the set of as many images as are taken at a time. @throws TooLarge */
  of(): { readonly network: Module; readonly set: DataSet; readonly constraint: Constraint };
  /** Of an epoch. */
  readonly images: number;
}

export function estimate(planned: Planned, on: PlannedMachine): Estimate | Refused {
  const { model, stage, step, images } = planned;
  const { batch, microBatch } = step;
  const about = { model, stage, batch, microBatch };
  try {
    const { network, set, constraint } = planned.of();
    const drafted = draftStage(stage, on, network, set, constraint, step);
    const { memory: { values, textures, inputs }, variables, state, plans, runs } = drafted;
    const own = new Set<Variable>([...network.namedState()].map(([, variable]) => variable));
    const total = (of: Iterable<Variable>) => [...of].reduce((sum, each) => sum + bytesOf(each), 0);
    const memory = {
      weights: total(variables.filter((variable) => own.has(variable))),
      optimizer: total(state),
      activations: values.bytes + textures.bytes + inputs,
      data: dataBytes(set, stage === "treat" && constraint.space.weight > 0, images, on),
    };
    const kernels = plans.flatMap(({ dispatches, copies }, i) => {
      const each = [...dispatches.map(taskOf), ...copies.length > 0 ? [copiesTask(copies)] : []];
      return Array.from({ length: runs[i] }, () => each).flat();
    });
    const factor = on.ofPredicted(model, stage);
    const predicted = on.machine && predictedTime(kernels, on.machine);
    const ms = predicted && predicted * (factor ?? 1);
    const ofStep = stage === "eval" ? set.test.labels.length : batch;
    return {
      ...about,
      ...{ size: set.height, memory },
      bytes: Object.values(memory).reduce((sum, bytes) => sum + bytes, 0),
      gflop: kernels.reduce((sum, { flops }) => sum + flops, 0) / 1e9,
      gb: kernels.reduce((sum, { bytes }) => sum + bytes, 0) / 1e9,
      dispatches: kernels.reduce((sum, { calls }) => sum + calls, 0),
      ...ms !== undefined && {
        ...{ ms, ofPredicted: factor, imagesPerSecond: 1000 * ofStep / ms },
        epochSeconds: Math.ceil(images / ofStep) * ms / 1000,
      },
    };
  } catch (error) {
    if (error instanceof TooLarge) return { ...about, refused: error.message };
    throw error;
  }
}

/** Of the images of an epoch: all of them where they may lie on the device, else those at a time. */
function dataBytes(
  { height, width, channels, train }: DataSet,
  hasMasks: boolean,
  images: number,
  { gpu }: PlannedMachine,
): number {
  const most = Math.min(RESIDENT_BYTES, gpu.limits.maxStorageBufferBindingSize);
  const kinds = [channels, ...hasMasks ? [1] : []];
  return kinds.reduce((sum, bytes) => {
    const one = height * width * bytes;
    return sum + one * (images * one <= most ? images : train.labels.length);
  }, 0);
}
