/** Feeds readers of files with inputs that are nearly right; test/fuzz.test.ts says what they hold to. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../engine/errors.ts";
import { ownMemory, within } from "./bounds.ts";
import { inFolder } from "./io.ts";
import { Dice, eachOdd, mutateBytes, mutateJson } from "./mutate.ts";

/** Inputs for each reader; in CI as many as take some seconds. */
const INPUTS = Number(Deno.env.get("MODEL_DOCTOR_FUZZ") ?? 30);
/** What one input may take, in milliseconds, and all of a reader's in bytes. */
const SLOW = 2000;
const LARGE = 512 * 2 ** 20;

export type Read = (input: Uint8Array<ArrayBuffer>) => unknown;

export const text = (value: string) => new TextEncoder().encode(value);

/** Reads an input; what that throws has to be for the reader's user. */
async function tolerate(read: Read, input: Uint8Array<ArrayBuffer>, name: string): Promise<void> {
  await within(SLOW, name, async () => {
    try {
      await read(input);
    } catch (error) {
      const shown = new TextDecoder().decode(input.subarray(0, 2000));
      assert(error instanceof UserError, `${name}: ${(error as Error).stack}\n${shown}`);
    }
  });
}

/** Feeds a reader with inputs that follow from 0, 1, 2, ... */
export async function feed(
  read: Read,
  inputs: (dice: Dice) => Uint8Array<ArrayBuffer>,
): Promise<void> {
  const before = ownMemory();
  for (let seed = 0; seed < INPUTS; seed++) {
    const input = inputs(new Dice(seed));
    await tolerate(read, input, `input ${seed}`);
  }
  const grown = ownMemory() - before;
  assert(grown < LARGE, `${grown} bytes more than before`);
}

export function fuzz(what: string, seeds: readonly Uint8Array[], read: Read): void {
  Deno.test(`fuzz: ${what}`, async () => {
    for (const seed of seeds) await read(Uint8Array.from(seed));
    await feed(read, (dice) => mutateBytes(dice.pick(seeds), dice));
  });
}

/** As `fuzz`, of JSON, as it is read from a file in a folder of its own; each part is odd once. */
export function fuzzJson(
  what: string,
  value: unknown,
  read: (path: string, text: string, folder: string) => unknown,
  { name = "a.json", isLines = false, more = {} }: {
    name?: string;
    isLines?: boolean;
    more?: Readonly<Record<string, Uint8Array>>;
  } = {},
): void {
  const encoded = (of: unknown) =>
    text(
      isLines && Array.isArray(of)
        ? of.map((line) => JSON.stringify(line)).join("\n")
        : JSON.stringify(of),
    );
  Deno.test(`fuzz: ${what}`, () =>
    inFolder(async (folder) => {
      for (const [name, bytes] of Object.entries(more)) {
        await Deno.writeFile(join(folder, name), bytes);
      }
      const path = join(folder, name);
      const readIt: Read = async (bytes) => {
        await Deno.writeFile(path, bytes);
        await read(path, new TextDecoder().decode(bytes), folder);
      };
      await readIt(encoded(value));
      for (const other of eachOdd(value)) await tolerate(readIt, encoded(other), "an oddity");
      await feed(readIt, (dice) =>
        dice.below(4) === 0 ? mutateBytes(encoded(value), dice) : encoded(mutateJson(value, dice)));
    }));
}

/** A file of a folder that holds others as they are. */
export function fuzzFile(
  what: string,
  files: Readonly<Record<string, Uint8Array>>,
  name: string,
  read: (folder: string) => unknown,
): void {
  Deno.test(`fuzz: ${what}`, () =>
    inFolder(async (folder) => {
      for (const [name, bytes] of Object.entries(files)) {
        await Deno.writeFile(join(folder, name), bytes);
      }
      const readIt: Read = async (bytes) => {
        await Deno.writeFile(join(folder, name), bytes);
        await read(folder);
      };
      await readIt(Uint8Array.from(files[name]));
      await feed(readIt, (dice) => mutateBytes(files[name], dice));
    }));
}
