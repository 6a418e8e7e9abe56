/** Does the cells of a table by processes of their own, several at a time. */

import { join } from "node:path";
import { fillCells } from "../../engine/cluster/pool.ts";
import { startProcess } from "../../engine/cluster/process.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { inTurn } from "../../engine/run/lock.ts";
import type { Context } from "../framework/command.ts";
import { withoutFlags } from "../framework/flags.ts";
import { isBusy, isFinished, type TableCell } from "./cells.ts";
import { completeCell } from "./fill.ts";
import type { TableArgs } from "./flags.ts";

/**
 * Does those of the cells that are not finished.
 * @param filled is called after each
 * @returns how many diverged
 * @throws UserError where others could not be done, with the code of the first of them
 */
export async function spread(
  cells: readonly TableCell[],
  args: TableArgs,
  context: Context,
  filled: () => Promise<unknown>,
): Promise<number> {
  // A driver that is missing is installed here, and not by every process at once.
  await context.gpu();
  context.working();
  const { devices, jobs = devices?.length ?? 1 } = args;
  const title = (index: number) => `cell ${index + 1} of ${cells.length}: ${cells[index].title}`;
  let finished = 0;
  const began = new Set<number>();
  const failures = await fillCells(
    {
      count: cells.length,
      isFinished: (index) => isFinished(cells[index]),
      isBusy: (index) => isBusy(cells[index]),
    },
    (index, slot) =>
      startProcess(cellCommand(index, devices?.[slot % devices.length]), logOf(index)),
    {
      ...{ jobs, retries: args.retries, signal: context.signal },
      began: (index) => {
        began.add(index);
        context.print(`${title(index)}: begun`);
      },
      finished: async (index) => {
        await complete(cells[index], args);
        const when = began.has(index) ? "finished" : "finished elsewhere or before";
        context.print(`${title(index)}: ${when} (${++finished} of ${cells.length})`);
        if (began.has(index)) await filled();
      },
      failed: (index, code, again) =>
        context.print(
          `${title(index)}: ended with exit code ${code}${again ? "; it goes on later" : ""}\n` +
            `  what it printed: ${logOf(index)}`,
        ),
    },
  ).catch((error) => {
    context.print(`\nstopped; the same command goes on with the cells that are not finished`);
    throw error;
  });
  return divergedOf(failures, cells.length);

  function logOf(index: number): string {
    return join(args.out, "logs", `${cells[index].name}.txt`);
  }
}

/** One process at a time: the same command may run several times on the folder. */
const complete = (cell: TableCell, args: TableArgs): Promise<void> =>
  inTurn(args.out, async () => {
    if (!await isBusy(cell)) await completeCell(cell, args);
  });

/** This command's line, for one cell. */
function cellCommand(index: number, device: string | undefined): string[] {
  const own = ["on", "jobs", "devices", "retries", ...device === undefined ? [] : ["device"]];
  const args = withoutFlags(Deno.args, own);
  const on = device === undefined ? [] : ["--device", device];
  return [
    ...[Deno.execPath(), "run", "-A", Deno.mainModule],
    ...[...args, ...on, "--cell", `${index}`],
  ];
}

/** @returns how many diverged, where no other cell failed */
function divergedOf(failures: ReadonlyMap<number, number>, total: number): number {
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
