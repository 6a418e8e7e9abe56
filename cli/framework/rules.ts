/**
 * Rules between flags, which a table declares beside them: where a flag has an effect at all, and
 * what it must not be together with others. A flag that is named and has no effect is a mistake of
 * its user, and nothing that a command finds out after an hour.
 */
import { ExitCode, UserError } from "../../engine/errors.ts";
import { type AllValues, type Need, unmet } from "../../engine/options.ts";
import { type Flag, flagName, type FlagTable, written } from "./flags.ts";

/** Needs that many flags have; the key is another flag's. */
export const needs = {
  /** One of these values, or a list with one of them. */
  oneOf: (key: string, ...choices: readonly string[]): Need => ({
    otherwise: `without ${flagName(key)} ${choices.join(" or ")}`,
    holds: (values) => [values[key]].flat().some((value) => choices.includes(value as string)),
  }),
  /** Something else than these values. */
  otherThan: (key: string, ...choices: readonly string[]): Need => ({
    otherwise: `with ${flagName(key)} ${choices.join(" or ")}`,
    holds: (values) => [values[key]].flat().some((value) => !choices.includes(value as string)),
  }),
  /** A number, or one in a list, that is not 0. */
  nonzero: (key: string): Need => ({
    otherwise: `where ${flagName(key)} is 0`,
    holds: (values) => [values[key]].flat().some((value) => value !== 0),
  }),
  /** Any of these flags, or a name in place of one. */
  anyOf: (...keys: readonly string[]): Need => ({
    otherwise: `without ${keys.map(flagName).join(" or ")}`,
    holds: (values) => keys.some((key) => values[key] !== undefined && values[key] !== false),
  }),
  /** That this flag is not given. */
  absent: (key: string): Need => ({
    otherwise: `with ${flagName(key)}`,
    holds: (values) => values[key] === undefined,
  }),
};

/**
 * Holds a command line against its table's rules.
 *
 * @param named the keys of the flags that stand on it
 * @throws UserError (usage) that names the first flag that breaks one
 */
export function checkRules(
  table: FlagTable,
  values: AllValues,
  named: ReadonlySet<string>,
): void {
  const modes = [...named].filter((key) => table[key].mode && values[key] !== false);
  for (const mode of modes) {
    const idle = [...named].find((key) => key !== mode && !table[mode].mode!.includes(key));
    if (idle === undefined) continue;
    throw usage(idle, table[idle], `has no effect with ${written(mode, table[mode])}`);
  }
  // The run that is gone on with has its own values; what is named is held against those.
  if (values.resume !== undefined) return;
  for (const key of Object.keys(table)) {
    const need = unmet(table[key], values);
    if (named.has(key) && need) throw usage(key, table[key], `has no effect ${need.otherwise}`);
    const complaint = table[key].rule?.(values);
    if (complaint !== undefined) throw usage(key, table[key], complaint);
  }
}

const usage = (key: string, flag: Flag, complaint: string): UserError =>
  new UserError(`${written(key, flag)} ${complaint}`, ExitCode.usage);
