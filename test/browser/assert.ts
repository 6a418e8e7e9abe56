/**
 * What the tests use of `node:assert/strict`, in a browser. Equality in depth is a package's; it does
 * not tell -0 from 0, and the same assertions do where the tests run in Deno.
 */

import { dequal } from "dequal";

class AssertionError extends Error {}

type Message = string | Error;
type Expected = RegExp | ((error: unknown) => boolean) | (new (...args: never[]) => Error) | object;

const shown = (value: unknown): string => {
  const text = value instanceof RegExp ? String(value) : JSON.stringify(value) ?? String(value);
  return text.length > 500 ? `${text.slice(0, 500)} ..` : text;
};

export function ok(value: unknown, message: Message = `${shown(value)} is not true`): void {
  if (!value) throw message instanceof Error ? message : new AssertionError(message);
}

export const equal = (a: unknown, b: unknown, message?: Message): void =>
  ok(Object.is(a, b), message ?? `${shown(a)} is not ${shown(b)}`);

export const notEqual = (a: unknown, b: unknown, message?: Message): void =>
  ok(!Object.is(a, b), message ?? `both are ${shown(a)}`);

export const deepEqual = (a: unknown, b: unknown, message?: Message): void =>
  ok(dequal(a, b), message ?? `${shown(a)} differs from ${shown(b)}`);

export const notDeepEqual = (a: unknown, b: unknown, message?: Message): void =>
  ok(!dequal(a, b), message ?? `both are ${shown(a)}`);

export const match = (text: string, pattern: RegExp, message?: Message): void =>
  ok(pattern.test(text), message ?? `${shown(text)} does not match ${pattern}`);

export const doesNotMatch = (text: string, pattern: RegExp, message?: Message): void =>
  ok(!pattern.test(text), message ?? `${shown(text)} matches ${pattern}`);

export function throws(fn: () => unknown, expected?: Expected): void {
  try {
    fn();
  } catch (thrown) {
    return asExpected(thrown, expected);
  }
  throw new AssertionError("nothing was thrown");
}

export async function rejects(
  promise: Promise<unknown> | (() => Promise<unknown>),
  expected?: Expected,
): Promise<void> {
  try {
    await (typeof promise === "function" ? promise() : promise);
  } catch (thrown) {
    return asExpected(thrown, expected);
  }
  throw new AssertionError("the promise was kept");
}

function asExpected(error: unknown, expected: Expected | undefined): void {
  if (expected === undefined) return;
  if (expected instanceof RegExp) return match(String(error), expected);
  if (typeof expected !== "function") {
    for (const [name, value] of Object.entries(expected)) {
      const found = (error as Record<string, unknown>)[name];
      if (value instanceof RegExp) match(String(found), value);
      else deepEqual(found, value);
    }
    return;
  }
  // A class; what an arrow function would be has no prototype.
  if (expected.prototype !== undefined) {
    if (!(error instanceof expected)) throw error;
    return;
  }
  ok((expected as (error: unknown) => boolean)(error), `${error} is not as expected`);
}

export default Object.assign(ok, {
  ok,
  equal,
  notEqual,
  deepEqual,
  notDeepEqual,
  match,
  doesNotMatch,
  throws,
  rejects,
});
