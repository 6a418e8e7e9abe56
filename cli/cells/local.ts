/** Does cells by processes of their own on this machine, several at a time. */

import { join } from "node:path";
import { fillCells } from "../../engine/cluster/pool.ts";
import { startProcess } from "../../engine/cluster/process.ts";
import { type Context, deviceFlag } from "../framework/command.ts";
import { withoutFlags } from "../framework/flags.ts";
import type { PlaceArgs } from "./flags.ts";
import { endedInWords } from "./reason.ts";
import { cellsOf, type CellWork, divergedOf, droppedInWords, titleOf } from "./work.ts";

/**
 * Does those of the cells that are not finished.
 * @returns how many diverged
 * @throws UserError where others could not be done, with the code of the first of them
 */
export async function onThisMachine(
  work: CellWork,
  args: PlaceArgs,
  context: Context,
): Promise<number> {
  // A driver that is missing is installed here, and not by every process at once.
  await context.gpu();
  context.working();
  const { devices, jobs = devices?.length ?? 1 } = args;
  const title = (index: number) => titleOf(work, index);
  const total = work.cells.length;
  let finished = 0;
  const began = new Set<number>();
  const failures = await fillCells(
    cellsOf(work),
    (index, slot) =>
      startProcess(commandFor(work, index, devices?.[slot % devices.length]), logOf(index)),
    {
      ...{ jobs, retries: args.retries, signal: context.signal },
      began: (index) => {
        began.add(index);
        context.print(`${title(index)}: begun`);
      },
      finished: async (index) => {
        await work.complete(index);
        const when = began.has(index) ? "finished" : "finished elsewhere or before";
        context.print(`${title(index)}: ${when} (${++finished} of ${total})`);
        if (began.has(index)) await work.filled();
      },
      failed: (index, code, again) =>
        context.print(
          `${title(index)}: ${endedInWords(code, logOf(index))}` +
            `${again ? "; it goes on later" : ""}\n  what it printed: ${logOf(index)}`,
        ),
      dropped: (index, after) => context.print(droppedInWords(work, index, after)),
    },
  ).catch((error) => {
    context.print(`\nstopped; the same command goes on with the cells that are not finished`);
    throw error;
  });
  return divergedOf(work, failures, logOf);

  function logOf(index: number): string {
    return join(work.out, "logs", `${work.cells[index].name}.txt`);
  }
}

/** The command line of one cell. */
function commandFor({ command }: CellWork, index: number, device: string | undefined): string[] {
  const placed = device === undefined
    ? command
    : [...withoutFlags(command, deviceFlag), "--device", device];
  return [Deno.execPath(), "run", "-A", Deno.mainModule, ...placed, "--cell", `${index}`];
}
