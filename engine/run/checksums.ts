/**
 * SHA256SUMS of a run's folder: what the weights in it hashed to when they were written, in the
 * form that `sha256sum --check` reads. A bit that flips on the disk would otherwise train on.
 */
import { join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, readText, writeFileAtomic } from "../io/files.ts";

const SUMS = "SHA256SUMS";

/** To be called before the file is written: then a file that is there has its checksum there. */
export async function recordChecksum(
  folder: string,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const sums = await readChecksums(folder);
  sums.set(name, await sha256(bytes));
  const lines = [...sums].sort(([a], [b]) => a < b ? -1 : 1).map(([of, sum]) => `${sum}  ${of}\n`);
  await writeFileAtomic(join(folder, SUMS), lines.join(""));
}

/** @throws UserError (weights) where the file's bytes are not those that were written */
export async function verifyChecksum(
  folder: string,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const expected = (await readChecksums(folder)).get(name);
  // Runs from before there were checksums have none.
  if (expected === undefined || expected === await sha256(bytes)) return;
  throw new UserError(
    `${join(folder, name)} is damaged: it differs from its checksum in ${SUMS}`,
    ExitCode.weights,
    "remove it to have its stage done again",
  );
}

async function readChecksums(folder: string): Promise<Map<string, string>> {
  const path = join(folder, SUMS);
  if (!await fileExists(path)) return new Map();
  const lines = (await readText(path)).split("\n").filter(Boolean);
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
