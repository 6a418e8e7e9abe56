/** What an engine offers to be compared. */

import type { Contender } from "../turns.ts";
import type { Work } from "./work.ts";

export type Values = Readonly<Record<string, Float32Array<ArrayBuffer>>>;

/** A work with its operands on the device, ready to be done any number of times. */
export interface Prepared extends Contender {
  /** The results of the work as it was done last, in this engine's layouts. */
  results(): Promise<Values>;
  /** Frees what it holds. */
  release(): void;
}

export interface Engine {
  readonly name: string;
  prepare(work: Work): Promise<Prepared>;
}

/** The version that a specifier such as npm:@jax-js/jax@0.1.25 pins. */
export const versionOf = (specifier: string): string =>
  specifier.slice(specifier.lastIndexOf("@") + 1);
