/** What changes over the epochs of a training: the learning rate and a penalty's strength. */

/** The learning rate of an epoch (from 0) under cosine annealing to zero over `epochs`. */
export function cosineRate(base: number, epoch: number, epochs: number): number {
  return base / 2 * (1 + Math.cos(Math.PI * epoch / epochs));
}

export const COURSES = ["constant", "cosine"] as const;

/** How strong a penalty's term is over a training, as a factor of its weight. */
export interface Schedule {
  /** For how long it grows linearly from 0 to 1: epochs, parts included, or a share of them all. */
  readonly warmup: number | { readonly share: number };
  /** What follows: it stays, or falls to 0 along a cosine. */
  readonly course: typeof COURSES[number];
  /** The share of the epochs after which it is off; never if absent. */
  readonly until?: number;
}

/** As strong from the first epoch to the last. */
export const ALWAYS: Schedule = { warmup: 0, course: "constant" };

/** A term's factor after `epoch` of `epochs` (from 0, parts included). */
export function strengthAt(
  { warmup, course, until = 1 }: Schedule,
  epoch: number,
  epochs: number,
): number {
  const [grown, end] = [
    typeof warmup === "number" ? warmup : warmup.share * epochs,
    until * epochs,
  ];
  if (until < 1 && epoch >= end) return 0;
  if (epoch < grown) return epoch / grown;
  return course === "constant" ? 1 : cosineRate(1, epoch - grown, end - grown);
}

/** "1 epoch", "2.5 epochs". */
export const epochsInWords = (epochs: number): string =>
  `${epochs} ${epochs === 1 ? "epoch" : "epochs"}`;

const percent = (share: number) => `${+(100 * share).toPrecision(3)} %`;

/**
 * "growing over 2 epochs, then falling along a cosine, off for the last 10 %"; "" where it is always
 * the same.
 */
export function scheduleInWords({ warmup, course, until = 1 }: Schedule): string {
  const grown = typeof warmup === "number"
    ? warmup > 0 && epochsInWords(warmup)
    : warmup.share > 0 && `the first ${percent(warmup.share)}`;
  const falls = course === "cosine" && "falling along a cosine";
  const rises = [grown && `growing over ${grown}`, falls].filter(Boolean).join(", then ");
  return [rises, until < 1 && `off for the last ${percent(1 - until)}`].filter(Boolean).join(", ");
}
