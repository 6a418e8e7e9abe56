/**
 * A command declares its flags once, as a table. From the table come parsing, the types of the
 * results, the help text (help.ts) and the errors. A key in camelCase is the flag in kebab-case:
 * `imagesPerClass` is `--images-per-class`.
 */
import { ExitCode, UserError } from "../../engine/errors.ts";
import { didYouMean, nearest } from "../../engine/nearest.ts";
import {
  type Common,
  type NumberListOption,
  type Option,
  type OptionTable,
  optionTable,
  type Range,
  type TextListOption,
  type Values,
} from "../../engine/options.ts";

export type { Values };
export type Flag = Option;
export type FlagTable = OptionTable;
export const flagTable = optionTable;

/** `imagesPerClass` -> `--images-per-class` */
export const flagName = (key: string): string =>
  "--" + key.replace(/[A-Z]/g, (letter) => "-" + letter.toLowerCase());

/** How a flag is written on the command line and in messages: its name, or a positional's value. */
export const written = (key: string, flag: Flag): string =>
  flag.positional ? flag.value ?? key.toUpperCase() : flagName(key);

/**
 * The values of the flags in `args`, with defaults for those that are not given.
 * Both `--flag value` and `--flag=value` are read; a boolean is `--flag` or `--no-flag`. Positional
 * arguments may stand before, between and after flags.
 *
 * @throws UserError (usage) that names the flag, what is wrong with it and the nearest right one
 */
export function parseFlags<T extends FlagTable>(table: T, args: readonly string[]): Values<T> {
  return withDefaults(table, givenFlags(table, args));
}

/** The flags that stand in `args`, without any default. Throws what `parseFlags` does of those. */
export function givenFlags<T extends FlagTable>(
  table: T,
  args: readonly string[],
): Partial<Values<T>> {
  const named = Object.keys(table).filter((key) => !table[key].positional);
  const keys = new Map(named.map((key) => [flagName(key), key]));
  const positionals = Object.keys(table).filter((key) => table[key].positional);
  const values: Record<string, unknown> = {};
  const rest = [...args];
  while (rest.length > 0) {
    if (!isFlag(rest[0]) && positionals.length > 0) {
      const [key] = positionals;
      const name = written(key, table[key]);
      if (takesAll(table[key])) {
        values[key] = [...values[key] as string[] ?? [], given(name, table[key], rest.shift()!)];
      } else values[positionals.shift()!] = parseValue(name, table[key], rest.shift()!);
      continue;
    }
    const { name, key, text } = takeFlag(table, keys, rest);
    if (key in values) throw usage(`${name} is given more than once`);
    values[key] = parseValue(name, table[key], text);
  }
  return values as Partial<Values<T>>;
}

/** A command line that was parsed, without these flags and their values. */
export function withoutFlags(args: readonly string[], table: FlagTable): string[] {
  const named = Object.entries(table).map(([key, { type }]) => ({ name: flagName(key), type }));
  const valued = named.filter(({ type }) => type !== "boolean").map(({ name }) => name);
  const switches = named.filter(({ type }) => type === "boolean")
    .flatMap(({ name }) => [name, name.replace("--", "--no-")]);
  const left = [...valued, ...switches];
  return args.filter((arg, i) =>
    !left.includes(arg.split("=")[0]) && !valued.includes(args[i - 1] ?? "")
  );
}

/** @throws UserError (usage) where a flag that is required is missing */
export function withDefaults<T extends FlagTable>(table: T, given: Partial<Values<T>>): Values<T> {
  const values: Record<string, unknown> = { ...given };
  const absent = Object.entries(table).filter(([key]) => !(key in values));
  for (const [key, flag] of absent) {
    values[key] = flag.default ?? (flag.type === "boolean" ? false : undefined);
  }
  for (const [key, flag] of absent) {
    if (flag.follows) values[key] = flag.follows(values) ?? values[key];
    if (flag.required && values[key] === undefined) {
      throw usage(`${written(key, flag)} is missing: ${flag.help}`);
    }
  }
  return values as Values<T>;
}

interface Given {
  /** As it is written on the command line, dashes included. */
  name: string;
  key: string;
  text: string;
}

const isFlag = (argument: string): boolean => argument.startsWith("-") && argument !== "-";

/** Whether it takes every positional argument that no other takes. */
const takesAll = (flag: Flag): boolean => flag.type === "list" && flag.positional === true;

/** An argument as it stands, commas and all. */
function given(name: string, flag: Flag, text: string): string {
  if (text === "") throw usage(`${name} needs a value: ${flag.help}`);
  return text;
}

/** Takes one flag and its value off the front of `rest`. */
function takeFlag(table: FlagTable, keys: ReadonlyMap<string, string>, rest: string[]): Given {
  const argument = rest.shift()!;
  if (!isFlag(argument) || argument === "--") {
    const meant = nearest("--" + argument, keys.keys());
    throw usage(
      `unexpected argument "${argument}"` + (meant ? `; did you mean ${meant}?` : ""),
    );
  }
  const equals = argument.indexOf("=");
  const name = equals < 0 ? argument : argument.slice(0, equals);
  const inline = equals < 0 ? undefined : argument.slice(equals + 1);

  const positive = name.replace(/^--no-/, "--");
  const negated = !keys.has(name) && table[keys.get(positive) ?? ""]?.type === "boolean";
  const key = keys.get(negated ? positive : name);
  if (key === undefined) throw usage(`unknown flag ${name}${didYouMean(name, keys.keys())}`);

  if (negated) {
    if (inline !== undefined) throw usage(`${name} takes no value`);
    return { name: positive, key, text: "false" };
  }
  if (table[key].type === "boolean") return { name, key, text: inline ?? "true" };
  // "-1" is a value, "--lr" is the next flag.
  const next = inline ?? (rest[0]?.startsWith("--") ? undefined : rest.shift());
  if (next === undefined) throw usage(`${name} needs a value: ${table[key].help}`);
  return { name, key, text: next };
}

function parseValue(name: string, flag: Flag, text: string): unknown {
  switch (flag.type) {
    case "boolean":
      if (text !== "true" && text !== "false") {
        throw usage(`${name} is either true or false, not "${text}"`);
      }
      return checked(name, flag, text === "true", text);
    case "string":
      if (text === "") throw usage(`${name} needs a value: ${flag.help}`);
      return checked(name, flag, text, text);
    case "choice":
      if (flag.also?.is(text)) return checked(name, flag, text, text);
      requireChoice(name, flag.choices, text, undefined, flag.also?.what);
      return checked(name, flag, text, text);
    case "number":
    case "integer":
      return checked(name, flag, parseNumber(name, flag.type, flag, text), text);
    case "list":
      return parseList(name, flag, text);
  }
}

function parseList(name: string, flag: TextListOption | NumberListOption, text: string): unknown {
  const items = text.split(",").map((item) => item.trim());
  if (items.includes("")) throw usage(`${name} has an empty item in "${text}"`);
  if (flag.of !== "string") {
    const numbers = items.map((item) => parseNumber(name, flag.of, flag, item));
    if (!flag.repeats) requireDistinct(name, numbers);
    return checked(name, flag, numbers, text);
  }
  const { choices, also, what, alone } = flag;
  if (choices) {
    items.filter((item) => !also?.is(item))
      .forEach((item) => requireChoice(name, choices, item, what, also?.what));
  }
  requireDistinct(name, items);
  if (alone !== undefined && items.includes(alone) && items.length > 1) {
    throw usage(`${name} is either ${alone} or a list without it, not "${text}"`);
  }
  return checked(name, flag, items, text);
}

function requireChoice(
  name: string,
  choices: readonly string[],
  text: string,
  what?: string,
  also?: string,
): void {
  if (choices.includes(text)) return;
  const wrong = what ? `${name}: there is no ${what} ${text}` : `${name} has no choice "${text}"`;
  throw usage(
    `${wrong}${didYouMean(text, choices)}`,
    `the choices are ${[...choices, ...also ? [also] : []].join(", ")}`,
  );
}

function requireDistinct(name: string, items: readonly (string | number)[]): void {
  const twice = items.find((item, i) => items.indexOf(item) < i);
  if (twice !== undefined) throw usage(`${name} names ${twice} twice`);
}

function checked<Value>(name: string, flag: Common<Value>, value: Value, text: string): Value {
  const complaint = flag.check?.(value);
  if (complaint !== undefined) throw usage(`${name} ${complaint}, not ${text}`);
  return value;
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function parseNumber(name: string, type: "number" | "integer", range: Range, text: string): number {
  const value = decimal.test(text) ? Number(text) : NaN;
  const right = type === "integer" ? Number.isSafeInteger(value) : Number.isFinite(value);
  const { min = -Infinity, max = Infinity, above = -Infinity, below = Infinity } = range;
  if (right && value >= min && value <= max && value > above && value < below) return value;
  const noun = type === "integer" ? "an integer" : "a number";
  const bounds = rangeText(range);
  throw usage(`${name} must be ${noun}${bounds && ` (${bounds})`}, not "${text}"`);
}

/** "from 1 to 10", "above 0 and below 1", "at least 1", or "" for any number. */
export function rangeText({ min, max, above, below }: Range): string {
  if (min !== undefined && max !== undefined) return `from ${min} to ${max}`;
  const low = min !== undefined ? `at least ${min}` : above !== undefined ? `above ${above}` : "";
  const high = max !== undefined ? `at most ${max}` : below !== undefined ? `below ${below}` : "";
  return [low, high].filter((bound) => bound !== "").join(" and ");
}

const usage = (message: string, hint?: string): UserError =>
  new UserError(message, ExitCode.usage, hint);
