/** The optimizers, in one table, and how they are asked for by name. */

import { adam } from "./adam.ts";
import type { Optimizer } from "./optimizer.ts";
import { sgd } from "./sgd.ts";

/** A new optimizer is a file beside this and its name here. */
export const OPTIMIZERS: readonly (typeof sgd | typeof adam)[] = [sgd, adam];

export type OptimizerName = typeof OPTIMIZERS[number]["name"];

export const optimizerOf = (name: OptimizerName): Optimizer =>
  OPTIMIZERS.find((optimizer) => optimizer.name === name)!;
