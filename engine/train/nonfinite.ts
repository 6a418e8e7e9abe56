/**
 * Where numbers stop being numbers. A loss that is infinite or NaN is seen in the metrics, which
 * says little: it may have begun steps before, anywhere in the network. So the steps since the state
 * that was kept last are done again under watch, which gives the same bits, until one holds a value
 * that is not finite. A watched graph puts out a sum of everything that leaves a layer, forward and
 * in each order of derivative: it is finite only where all of its terms are. (A sum may overflow by
 * itself too, of terms near 1e38.) A training that is healthy is never watched and pays nothing.
 */

import type { Feed, Plan, PlanSpec } from "../plan/plan.ts";
import type { Runtime } from "../plan/runtime.ts";
import { ancestorsOf } from "../tensor/autograd.ts";
import { inLayer, type Origin } from "../tensor/origin.ts";
import { sum } from "../tensor/reduce.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The first value that isn't finite, of those that leave layers. */
export interface Arisen {
  readonly origin: Origin;
  /** NaN or an infinity. */
  readonly value: number;
}

/** A graph that is run under watch. */
export class Watch {
  private constructor(
    private readonly plan: Plan,
    /** Where the values come from whose sums are the plan's outputs, in the order of computing. */
    private readonly origins: readonly Origin[],
  ) {}

  /** Needs about as much memory as a plan of `spec` alone. */
  static async make(runtime: Runtime, { outputs = {}, assign = [] }: PlanSpec): Promise<Watch> {
    const leaving = leavingLayers([...Object.values(outputs), ...assign.map(([, value]) => value)]);
    const sums = leaving.map((node, i) => [`${i}`, inLayer("(watch)", () => sum(node))]);
    const plan = await runtime.plan({ outputs: Object.fromEntries(sums), assign });
    return new Watch(plan, leaving.map(({ origin }) => origin));
  }

  /** Runs the graph once; what it assigns is assigned. */
  async run(feeds: readonly Feed[]): Promise<Arisen | undefined> {
    this.plan.run(feeds);
    const sums = await this.plan.read(...this.origins.keys().map(String));
    const at = sums.findIndex(([value]) => !Number.isFinite(value));
    return at < 0 ? undefined : { origin: this.origins[at], value: sums[at][0] };
  }

  destroy(): void {
    this.plan.destroy();
  }
}

/** The float values of a graph that another origin reads, or nobody; inputs before results. */
function leavingLayers(outputs: readonly Tensor[]): Tensor[] {
  const leaving = new Set(outputs);
  const nodes = ancestorsOf(outputs);
  for (const { inputs, origin: { layer, order } } of nodes) {
    for (const input of inputs) {
      if (input.origin.layer !== layer || input.origin.order !== order) leaving.add(input);
    }
  }
  return nodes.filter((node) =>
    leaving.has(node) && node.dtype === "f32" && node.inputs.length > 0
  );
}
