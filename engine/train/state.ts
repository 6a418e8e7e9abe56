/**
 * What a training remembers from step to step beside the network: velocities, moments, weights of
 * groups. Checkpoints carry it under these names, so a run that is taken up goes on with the same
 * bits.
 */

import type { HostTensor } from "../io/host_tensor.ts";
import type { StateDict } from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import { numel, sameShape, type Shape } from "../tensor/shape.ts";
import { type AssignmentPair, type HostArray, type Tensor, Variable } from "../tensor/tensor.ts";

export class StepState {
  /** By their names in checkpoints. */
  readonly variables: Map<string, Variable> = new Map();
  /** What becomes of some of them in each step. */
  readonly updates: AssignmentPair[] = [];

  /** A new variable, zeros at first where nothing else is given. */
  keep(name: string, shape: Shape, initial: HostArray = new Float32Array(numel(shape))): Variable {
    if (this.variables.has(name)) throw new Error(`two variables are named ${name}`);
    const variable = new Variable(name, shape, initial);
    this.variables.set(name, variable);
    return variable;
  }

  /** Gives a variable another value at the end of each step. */
  update(variable: Variable, value: Tensor): void {
    this.updates.push([variable, value]);
  }
}

type Variables = ReadonlyMap<string, Variable>;

/** What variables hold, for a checkpoint. */
export async function readVariables(runtime: Runtime, variables: Variables): Promise<StateDict> {
  const values = await runtime.read([...variables.values()]);
  return new Map([...variables].map(([name, { shape }], i): [string, HostTensor] => [
    name,
    { dtype: "F32", shape, data: values[i] as Float32Array<ArrayBuffer> },
  ]));
}

/** Gives variables what a checkpoint holds. @returns what keeps it from that, in words */
export function writeVariables(
  runtime: Runtime,
  variables: Variables,
  from: StateDict,
): string | undefined {
  for (const [name, variable] of variables) {
    const tensor = from.get(name);
    if (!tensor) return `lacks state/${name}`;
    if (!sameShape(tensor.shape, variable.shape)) return `has another state/${name}`;
    runtime.write(variable, Float32Array.from(tensor.data, Number));
  }
}
