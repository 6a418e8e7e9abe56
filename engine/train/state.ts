/**
 * What a training remembers from step to step beside the network: velocities, moments, weights of
 * groups. Checkpoints carry it under these names, so a run that is taken up goes on with the same
 * bits.
 */

import { numel, type Shape } from "../tensor/shape.ts";
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
