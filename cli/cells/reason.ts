/** Why a cell's process ended, as far as its log tells: the last error in it. */

import { arrayNotation } from "../../engine/cluster/slurm/script.ts";

/** Bytes at the end of a log in which the error is looked for. */
const END = 16384;

/**
 * "cannot read a.png: it is truncated"
 * @param code with which the process ended: one that a signal ended printed no reason
 */
export function reasonIn(log: string, code: number | undefined): string | undefined {
  if (code === undefined || code === 0 || code > 127) return undefined;
  return endOf(log).split("\n").findLast((line) => line.startsWith(ERROR))?.slice(ERROR.length);
}
const ERROR = "error: ";

/** "ended with exit code 4: cannot read a.png: it is truncated" */
export function endedInWords(code: number, log: string): string {
  const reason = reasonIn(log, code);
  return `ended with exit code ${code}${reason === undefined ? "" : `: ${reason}`}`;
}

function endOf(path: string): string {
  try {
    using file = Deno.openSync(path);
    const { size } = file.statSync();
    file.seekSync(Math.max(0, size - END), Deno.SeekMode.Start);
    const bytes = new Uint8Array(Math.min(size, END));
    return new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
  } catch {
    return "";
  }
}

/** "cells 1-3,7: cannot read a.png (exit code 4)", a line for each reason. */
export function reasonsInWords(
  failures: ReadonlyMap<number, number>,
  reasonOf: (index: number, code: number) => string | undefined,
): string {
  const words = [...failures].map(([index, code]) => {
    const reason = reasonOf(index, code);
    return { index, text: reason ? `${reason} (exit code ${code})` : `exit code ${code}` };
  });
  return [...Map.groupBy(words, ({ text }) => text)].map(([text, of]) => {
    const numbers = of.map(({ index }) => index + 1).sort((a, b) => a - b);
    return `cell${of.length === 1 ? "" : "s"} ${arrayNotation(numbers)}: ${text}`;
  }).join("\n");
}
