/** Values of tensors: in float64, and by the engine on the reader's GPU, where there is one. */

import type { Evaluator } from "../../../../engine/lab/gradcheck.ts";
import { float64 } from "../../../../engine/reference/float64.ts";
import { ancestors, type HostArray, type Tensor, Variable } from "../../../../engine/tensor/mod.ts";
import { device } from "./device.ts";

export interface Evaluated {
  readonly exact: Float64Array;
  /** By the engine's kernels; absent where there is no GPU. */
  readonly engine?: HostArray;
  /** Largest distance of an element of the engine's from float64, relative to the largest element. */
  readonly error?: number;
}

/** In float64 alone: at once, and on every machine. */
export const exactly = (tensors: readonly Tensor[]): Float64Array[] =>
  float64(tensors, new Map(), undefined, { simplified: false }).values;

export async function evaluated(tensors: readonly Tensor[]): Promise<Evaluated[]> {
  const exact = exactly(tensors);
  const { runtime } = await device();
  if (!runtime) return exact.map((exact) => ({ exact }));
  const engine = await runtime.evaluate(tensors);
  // What was computed once is not asked for again: its variables would stay on the device.
  runtime.release(ancestors(...tensors).filter((node) => node instanceof Variable));
  return exact.map((exact, i) => ({ exact, engine: engine[i], error: distance(engine[i], exact) }));
}

/** The engine, or without a GPU the graph with every operation rounded to float32. */
export async function evaluator(): Promise<{ readonly by: Evaluator; readonly isGpu: boolean }> {
  const { runtime } = await device();
  return runtime ? { by: runtime, isGpu: true } : { by: { evaluate: rounded }, isGpu: false };
}

function rounded(tensors: readonly Tensor[]): Promise<HostArray[]> {
  const { values } = float64(tensors, new Map(), undefined, { rounded: true, simplified: false });
  const held = (value: Float64Array, i: number) =>
    tensors[i].dtype === "f32" ? Float32Array.from(value) : Uint32Array.from(value);
  return Promise.resolve(values.map(held));
}

function distance(engine: HostArray, exact: Float64Array): number {
  let [error, largest] = [0, 0];
  for (let i = 0; i < exact.length; i++) {
    error = Math.max(error, Math.abs(engine[i] - exact[i]));
    largest = Math.max(largest, Math.abs(exact[i]));
  }
  return largest > 0 ? error / largest : error;
}
