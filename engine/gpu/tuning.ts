/**
 * What the tuner (engine/tune) found: for each class of shapes the fastest variant on an adapter. It
 * changes how fast kernels are and never what they compute. engine/host keeps it on disk.
 */

/** A choice and the two times behind it, in milliseconds. */
export interface Choice {
  readonly variant: string;
  readonly ms: number;
  /** The time of the variant that is taken without tuning. */
  readonly untunedMs: number;
}

/** Choices by shape class. */
export type Choices = ReadonlyMap<string, Choice>;

/** What kernels ask: the variant by shape class. */
export function variantsOf(choices: Choices): ReadonlyMap<string, string> {
  return new Map([...choices].map(([shape, { variant }]) => [shape, variant]));
}
