/** Flags of which a search tries several values. */

import type { Option, OptionTable } from "../../engine/options.ts";
import type { Values } from "../framework/flags.ts";

/** A flag as a list of values to be tried; of a list, several together are written a+b. */
type Searched<F> = F extends { type: "number" | "integer" }
  ? { type: "list"; of: F["type"] } & Kept<F>
  : { type: "list"; of: "string" } & Kept<F>;
type Kept<F> =
  & { help: string; choices?: readonly string[] }
  & (F extends { default: unknown } ? { default: never[] } : unknown);

/** Flags as lists of values to be tried. */
export function searched<T extends OptionTable>(flags: T) {
  const lists = Object.entries(flags).map(([key, flag]) => [key, listOf(flag)] as const);
  return Object.fromEntries(lists) as { readonly [Key in keyof T]: Searched<T[Key]> };
}

function listOf(flag: Option) {
  const { default: value, check: _, ...rest } = flag;
  const first = value === undefined ? {} : { default: [joined(value)] };
  const of = flag.type === "number" || flag.type === "integer" ? flag.type : "string";
  const together = flag.type === "list" ? { check: joinsDistinct } : {};
  return { ...rest, ...first, ...together, type: "list", of };
}

/** What is wrong with values that are several together. */
const joinsDistinct = (values: readonly string[]): string | undefined => {
  const isRight = values.map((value) => value.split("+"))
    .every((names) => !names.includes("") && new Set(names).size === names.length);
  return isRight ? undefined : "joins different names by +";
};

const joined = (value: unknown) => Array.isArray(value) ? value.join("+") : value;

/** One of the values of each flag, as the flags themselves would have it. */
export function chosen<T extends OptionTable>(
  flags: T,
  settings: Readonly<Record<string, string | number>>,
): Values<T> {
  const values = Object.entries(settings).filter(([key]) => key in flags).map(([key, value]) => [
    key,
    flags[key].type === "list" ? String(value).split("+") : value,
  ]);
  return Object.fromEntries(values);
}
