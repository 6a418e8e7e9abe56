/** What tests of files and data sets need: temporary folders, archives, errors as expected. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { LOCK } from "../../engine/run/lock.ts";

/** Runs a test with a temporary folder of its own, removed afterwards. */
export async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** As `inFolder`, with files in it, by their paths. */
export function inFolderWith(
  files: Record<string, Uint8Array | string>,
  test: (folder: string) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    for (const [name, content] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(folder, name)), { recursive: true });
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(join(folder, name), bytes);
    }
    await test(folder);
  });
}

/** Asserts that a promise is rejected with a UserError; returns it. */
export async function userError(
  promise: Promise<unknown>,
  exitCode: ExitCode,
  message: RegExp,
): Promise<UserError> {
  const error = await promise.then(() => undefined, (error) => error);
  assert(error instanceof UserError, `expected a UserError, got ${error}`);
  assert.match(error.message, message);
  assert.equal(error.exitCode, exitCode);
  return error;
}

export function gzip(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(gzipSync(bytes));
}

/** A tar archive of the files given by path; null makes a folder. */
export function tar(files: Record<string, Uint8Array | null>): Uint8Array<ArrayBuffer> {
  const blocks = Object.entries(files).flatMap(([path, data]) => [
    tarHeader(path, data),
    pad(data ?? new Uint8Array()),
  ]);
  return concat(...blocks, new Uint8Array(1024));
}

function tarHeader(path: string, data: Uint8Array | null): Uint8Array {
  const header = new Uint8Array(512);
  const put = (at: number, text: string) => header.set(new TextEncoder().encode(text), at);
  put(0, path);
  put(124, (data?.length ?? 0).toString(8).padStart(11, "0"));
  put(148, " ".repeat(8));
  put(156, data ? "0" : "5");
  put(257, "ustar\x0000");
  const sum = header.reduce((a, b) => a + b);
  put(148, sum.toString(8).padStart(6, "0") + "\0 ");
  return header;
}

function pad(data: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil(data.length / 512) * 512);
  padded.set(data);
  return padded;
}

export function concat(...parts: (Uint8Array | number[])[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** What lies in a folder, but for the file that is locked while a process works in it. */
export const namesIn = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name !== LOCK).sort();
