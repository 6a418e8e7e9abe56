/** Does the cells of a table by processes of their own, several at a time. */

import { join } from "node:path";
import { fillCells } from "../../engine/cluster/pool.ts";
import { startProcess } from "../../engine/cluster/process.ts";
import { type Context, deviceFlag } from "../framework/command.ts";
import { withoutFlags } from "../framework/flags.ts";
import { placeFlags } from "../place_flags.ts";
import { asCells, type TableCell, titleOf } from "./cells.ts";
import type { TableArgs } from "./flags.ts";
import { complete, divergedOf } from "./others.ts";

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
  const title = (index: number) => titleOf(cells, index);
  let finished = 0;
  const began = new Set<number>();
  const failures = await fillCells(
    asCells(cells),
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

/** This command's line, for one cell. */
function cellCommand(index: number, device: string | undefined): string[] {
  const own = device === undefined ? placeFlags : { ...placeFlags, ...deviceFlag };
  const on = device === undefined ? [] : ["--device", device];
  return [
    ...[Deno.execPath(), "run", "-A", Deno.mainModule],
    ...[...withoutFlags(Deno.args, own), ...on, "--cell", `${index}`],
  ];
}
