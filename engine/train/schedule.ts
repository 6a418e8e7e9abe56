/** What changes over the epochs of a training: the learning rate and a penalty's strength. */

/** The learning rate of an epoch (from 0) under cosine annealing to zero over `epochs`. */
export function cosineRate(base: number, epoch: number, epochs: number): number {
  return base / 2 * (1 + Math.cos(Math.PI * epoch / epochs));
}

export const COURSES = ["constant", "cosine"] as const;

/** How strong a penalty's term is over a training, as a factor of its weight. */
export interface Schedule {
  /** Epochs over which it grows linearly from 0 to 1; may be a part of one. */
  readonly warmup: number;
  /** What follows: it stays, or falls to 0 along a cosine. */
  readonly course: typeof COURSES[number];
}

/** As strong from the first epoch to the last. */
export const ALWAYS: Schedule = { warmup: 0, course: "constant" };

/** A term's factor after `epoch` of `epochs` (from 0, parts included). */
export function strengthAt({ warmup, course }: Schedule, epoch: number, epochs: number): number {
  if (epoch < warmup) return epoch / warmup;
  return course === "constant" ? 1 : cosineRate(1, epoch - warmup, epochs - warmup);
}

/** "growing over 2 epochs, then falling along a cosine"; "" where it is always the same. */
export function scheduleInWords({ warmup, course }: Schedule): string {
  const grows = warmup > 0 && `growing over ${warmup} ${warmup === 1 ? "epoch" : "epochs"}`;
  const falls = course === "cosine" && "falling along a cosine";
  return [grows, falls].filter(Boolean).join(", then ");
}
