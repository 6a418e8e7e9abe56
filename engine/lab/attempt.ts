/**
 * An edited kernel in the place of the one in use: on the same operands, is what it computes the
 * same bit by bit, and if not, is it as near to float64?
 */

import type { Kernel } from "../gpu/kernel.ts";
import { slotNames, slotOf } from "../gpu/render.ts";
import type { Runtime } from "../plan/runtime.ts";
import { float64 } from "../reference/float64.ts";
import type { HostArray, Tensor } from "../tensor/tensor.ts";
import { type Duel, duel } from "./duel.ts";
import { Rig } from "./rig.ts";
import { type PlannedKernel, type Unit, withKernel } from "./unit.ts";

/** Elements of a result in which two kernels differ. */
export interface Difference {
  readonly result: Tensor;
  /** Elements with other bits, and the first of them. */
  readonly differing: number;
  readonly first?: { readonly at: number; readonly used: number; readonly edited: number };
  /** Largest error of an element against float64, of the one in use and of the edited one. */
  readonly usedError: number;
  readonly editedError: number;
  /** Elements of the edited one that are off by more than rounding makes the one in use, and the first. */
  readonly wrong: number;
  readonly firstWrong?: { readonly at: number; readonly exact: number; readonly edited: number };
}

export interface Attempt {
  readonly differences: readonly Difference[];
  /** Absent where something is wrong: what computes something else has no speed. */
  readonly duel?: Duel;
}

/** The order of its sums may be another: an element may be off by so much more than the worst in use. */
const SLACK = 8;
/** Steps of float32 at the largest element, for what is exact in use. */
const STEPS = 4 * 2 ** -24;

/**
 * @param values of what the kernel's unit reads
 * @param seconds to time them for; 0 checks alone
 * @throws UserError where the edited one doesn't compile (gpu), or there is no clock to time by
 */
export async function attempt(
  runtime: Runtime,
  planned: PlannedKernel,
  edited: Kernel,
  values: ReadonlyMap<Tensor, HostArray>,
  seconds: number,
): Promise<Attempt> {
  const rigs: Rig[] = [];
  try {
    for (const unit of [planned.unit, withKernel(planned, edited)]) {
      rigs.push(await Rig.make(runtime, unit, values));
    }
    const [used, own] = [await rigs[0].run(), await rigs[1].run()];
    const exact = exactly(planned.unit, values);
    const differences = planned.unit.writes.map((result, i) =>
      difference(result, used[i], own[i], exact[i])
    );
    const right = differences.every(({ wrong }) => wrong === 0);
    if (!right || seconds === 0) return { differences };
    const [first, second] = rigs.map(({ commands }) => commands[planned.at]);
    return { differences, duel: await duel(runtime.gpu, first, second, seconds) };
  } finally {
    for (const rig of rigs) rig.destroy();
  }
}

/** What a unit computes from these values, in float64. */
export function exactly(
  unit: Unit,
  values: ReadonlyMap<Tensor, ArrayLike<number>>,
): Float64Array[] {
  return float64(unit.writes, values, undefined, { simplified: false }).values;
}

function difference(
  result: Tensor,
  used: HostArray,
  edited: HostArray,
  exact: Float64Array,
): Difference {
  const bits = (array: HostArray) => new Uint32Array(array.buffer, array.byteOffset, array.length);
  const [a, b] = [bits(used), bits(edited)];
  const off = (array: HostArray, i: number) => {
    if (Object.is(array[i], exact[i])) return 0;
    const error = Math.abs(array[i] - exact[i]);
    return Number.isNaN(error) ? Infinity : error;
  };
  let [differing, first, usedError, editedError, largest] = [0, -1, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && differing++ === 0) first = i;
    usedError = Math.max(usedError, off(used, i));
    editedError = Math.max(editedError, off(edited, i));
    if (Number.isFinite(exact[i])) largest = Math.max(largest, Math.abs(exact[i]));
  }
  const allowed = Math.max(SLACK * usedError, STEPS * largest);
  const isWrong = (i: number) => a[i] !== b[i] && off(edited, i) > allowed;
  let [wrong, firstWrong] = [0, -1];
  for (let i = 0; i < a.length; i++) if (isWrong(i) && wrong++ === 0) firstWrong = i;
  return {
    ...{ result, differing, usedError, editedError, wrong },
    first: first < 0 ? undefined : { at: first, used: used[first], edited: edited[first] },
    firstWrong: firstWrong < 0
      ? undefined
      : { at: firstWrong, exact: exact[firstWrong], edited: edited[firstWrong] },
  };
}

/**
 * A kernel with an edited text in the place of a shader's, or undefined where it isn't made of that:
 * neither is the shader its own, nor does a slot hold what stands in one of the shader's.
 * @param file where the edited text comes from, for messages
 * @throws UserError where the edited text lacks a slot that the kernel takes from it
 */
export function replaced(
  kernel: Kernel,
  original: string,
  edited: string,
  file: string,
): Kernel | undefined {
  if (kernel.shader === original) return { ...kernel, shader: edited, file };
  const lent = slotNames(original).filter((name) =>
    kernel.slots?.[name] === slotOf(original, name) && slotOf(original, name) !== ""
  );
  if (lent.length === 0) return undefined;
  const slots = Object.fromEntries(lent.map((name) => [name, slotOf(edited, name)]));
  return { ...kernel, slots: { ...kernel.slots, ...slots } };
}
