/**
 * The page that runs test files in a browser: `Deno.test` as they call it, and nothing else of Deno.
 * Whoever drives the page loads a file and runs its tests one after the other.
 */

import { NoHost, nothing } from "./no_host.ts";

type Body = (t: { step: Step }) => unknown;
type Step = (name: string, fn: Body) => Promise<boolean>;

interface Test {
  readonly name: string;
  readonly fn: Body;
  readonly ignore?: boolean;
}

/** How a test ended; `leftOut` says what of a host it asks for. */
export interface Outcome {
  readonly leftOut?: string;
  readonly failed?: string;
}

const tests: Test[] = [];

/** As Deno has it: a name, options or both, then perhaps the body. */
function test(...given: readonly (string | Partial<Test> | Body)[]): void {
  const parts = given.map((part) =>
    typeof part === "string" ? { name: part } : typeof part === "function" ? { fn: part } : part
  );
  tests.push(Object.assign({}, ...parts));
}

/** The loaded tests' names. */
const names = (): string[] => tests.map(({ name }) => name);

async function run(index: number): Promise<Outcome> {
  const { fn, ignore } = tests[index];
  if (ignore) return { leftOut: "it is skipped here too" };
  const context = {
    step: async (_: string, fn: Body) => {
      await fn(context);
      return true;
    },
  };
  try {
    await fn(context);
    return {};
  } catch (error) {
    if (error instanceof NoHost) return { leftOut: `it asks for ${error.message}` };
    return { failed: error instanceof Error ? error.stack ?? error.message : String(error) };
  }
}

Object.assign(globalThis, { Deno: nothing("Deno", { test, env: { get: () => undefined } }) });
Object.assign(globalThis, { names, run });
