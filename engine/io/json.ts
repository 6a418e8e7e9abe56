/**
 * JSON that is read, held against a schema: errors name the file, the field and what is wrong with
 * it, and what comes out has the type that it claims.
 */
import * as v from "valibot";
import { ExitCode, UserError } from "../errors.ts";
import { isTooDeep } from "./json_text.ts";

/** What a value has to be to be a T. */
export type Schema<T> = v.GenericSchema<unknown, T>;

export interface JsonSource {
  /** The file, and the line where there are several. */
  readonly name: string;
  /** io, if absent. */
  readonly exitCode?: ExitCode;
  readonly hint?: string;
  /** What it was to be, "profile", where somebody named the file, who may have meant another. */
  readonly what?: string;
}

/** @throws UserError that names the file: it is not JSON, or not what the schema says */
export function parseJson<T>(text: string, schema: Schema<T>, source: JsonSource): T {
  if (isTooDeep(text)) throw damaged(source, "it is nested too deep");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged(source, "it is not JSON");
  }
  return checkJson(value, schema, source);
}

/**
 * The value, its fields in the order that they had: what is read and written again is the same.
 * @throws UserError that names the file and the field that is not what the schema says
 */
export function checkJson<T>(value: unknown, schema: Schema<T>, source: JsonSource): T {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return ordered(result.output, value) as T;
  throw damaged(source, describe(result.issues[0]));
}

/** A schema puts the fields that it names before the others; here they are as in `like` again. */
function ordered(value: unknown, like: unknown): unknown {
  if (!isObject(value) || !isObject(like) || value === like) return value;
  if (Array.isArray(value)) {
    return value.some(isObject) ? value.map((item, i) => ordered(item, like[i])) : value;
  }
  const [has, had] = [Object.keys(value), Object.keys(like)];
  // Mostly so, and thousands of results are read for a table.
  if (has.length === had.length && has.every((key, i) => key === had[i])) {
    for (const key of has) if (isObject(value[key])) value[key] = ordered(value[key], like[key]);
    return value;
  }
  const keys = new Set([...Object.keys(like), ...Object.keys(value)]);
  return Object.fromEntries(
    [...keys].filter((key) => Object.hasOwn(value, key))
      .map((key) => [key, ordered(value[key], like[key])]),
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

/** A field, and what it is instead of what it should be. */
function describe(issue: v.BaseIssue<unknown>): string {
  const field = v.getDotPath(issue) ?? "the whole";
  if (issue.received === "undefined") return `its ${field} is missing`;
  const { expected, received } = issue;
  const wanted = expected ? `, and should be ${expected}` : `: ${issue.message}`;
  return `its ${field} is ${shortened(received)}${wanted}`;
}

const shortened = (text: string) => text.length > 60 ? `${text.slice(0, 60)}…` : text;

function damaged(
  { name, exitCode = ExitCode.io, hint, what }: JsonSource,
  problem: string,
): UserError {
  const is = what === undefined ? "damaged" : `no ${what}`;
  return new UserError(`${name} is ${is}: ${problem}`, exitCode, hint);
}

// What fields often are.

export const finite = v.pipe(v.number(), v.finite());
/** A number that may be none: NaN is null in JSON, and read as NaN again. */
export const measured = v.pipe(v.nullable(finite), v.transform((value) => value ?? NaN));
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const fraction = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
