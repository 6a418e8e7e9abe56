/** The terms of the constraint: over the channels of a layer, and over its pixels. */

export const TERMS = ["channel", "space"] as const;
export type TermName = typeof TERMS[number];

/** The weights by the letters that the authors give them. */
const LETTERS = { channel: "alpha", space: "beta" } as const;

/** By which flag a term's weight is set, for messages. */
export const weightFlag = (term: TermName): string => `--${LETTERS[term]}`;
