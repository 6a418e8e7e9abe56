/**
 * The tuner: measures the variants of every class of shapes that a plan has, on the adapter at hand.
 * It never changes what is computed (kernels/variant.ts), so its choices may come and go.
 */
import type { Choice } from "../gpu/tuning.ts";
import type { Gpu } from "../gpu/adapter.ts";
import { Runtime } from "../plan/runtime.ts";
import type { Dispatch } from "../plan/dispatch.ts";
import { type Measured, tryVariants } from "./trial.ts";

/** What was found for a class of shapes. */
export interface Tuned {
  readonly shapeClass: string;
  /** The operation as the plan calls it: a matrix product may be in a convolution's class. */
  readonly label: string;
  /** Dispatches of the plan that it decides. */
  readonly calls: number;
  /** Operations of one of them. */
  readonly flops: number;
  readonly choice: Choice;
  /** The variant that a rule chooses. */
  readonly untuned: string;
  readonly measured: readonly Measured[];
}

/** The classes of shapes in a plan that have variants: a dispatch of each, and how many there are. */
export function tunableClasses(
  dispatches: readonly Dispatch[],
): { readonly dispatch: Dispatch; readonly calls: number }[] {
  const classes = new Map<string, { dispatch: Dispatch; calls: number }>();
  for (const dispatch of dispatches) {
    const { tunable } = dispatch.kernel;
    if (!tunable || tunable.variants.length < 2) continue;
    const known = classes.get(tunable.shapeClass);
    if (known) known.calls++;
    else classes.set(tunable.shapeClass, { dispatch, calls: 1 });
  }
  return [...classes.values()];
}

/**
 * Tunes one class after the other.
 * @throws UserError (gpu) where the adapter has no clock, or a kernel computes something wrong
 */
export async function* tune(
  gpu: Gpu,
  classes: ReturnType<typeof tunableClasses>,
): AsyncGenerator<Tuned> {
  for (const { dispatch, calls } of classes) {
    // A runtime of its own, so that the pipelines of this class are freed with it.
    const measured = await tryVariants(new Runtime(gpu), dispatch);
    const { shapeClass, variants } = dispatch.kernel.tunable!;
    const untuned = measured.find(({ name }) => name === variants[0].name)!;
    const timed = measured.filter((m): m is Measured & { ms: number } => m.ms !== undefined);
    const best = timed.reduce((a, b) => (b.ms < a.ms ? b : a));
    const untunedMs = untuned.ms ?? best.ms;
    // What does not run at all can't be kept; what is faster must be so in both looks at it.
    const keep = untuned.ms !== undefined && !(best.gain?.isStable ?? false);
    const choice = { variant: keep ? untuned.name : best.name, ms: keep ? untunedMs : best.ms };
    yield {
      ...{ shapeClass, calls, measured },
      ...{ label: dispatch.kernel.label, flops: dispatch.kernel.flops },
      untuned: untuned.name,
      choice: { ...choice, untunedMs },
    };
  }
}
