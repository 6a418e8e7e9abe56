/** Cells that other processes do: what they leave to be done, and how they failed. */

import { ExitCode, UserError } from "../../engine/errors.ts";
import { inTurn } from "../../engine/run/lock.ts";
import { isBusy, type TableCell } from "./cells.ts";
import { completeCell } from "./fill.ts";
import type { TableArgs } from "./flags.ts";

/** One process at a time: the same command may run several times on the folder. */
export const complete = (cell: TableCell, args: TableArgs): Promise<void> =>
  inTurn(args.out, async () => {
    if (!await isBusy(cell)) await completeCell(cell, args);
  });

/**
 * @param failures exit codes by index
 * @returns how many diverged, where no other cell failed
 * @throws UserError where others did, with the code of the first of them
 */
export function divergedOf(failures: ReadonlyMap<number, number>, total: number): number {
  const other = [...failures].find(([, code]) => code !== ExitCode.diverged);
  if (other === undefined) return failures.size;
  const isKnown = (code: number): code is ExitCode =>
    Object.values<number>(ExitCode).includes(code);
  throw new UserError(
    `${failures.size} of ${total} cells could not be done: ` +
      [...failures].map(([index, code]) => `cell ${index + 1} (exit code ${code})`).join(", "),
    isKnown(other[1]) ? other[1] : ExitCode.failure,
    "what each printed lies in the folder logs; the same command goes on with them",
  );
}
