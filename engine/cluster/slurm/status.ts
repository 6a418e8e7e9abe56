/** How far cells are that job arrays of Slurm do, told by anyone at any time. */

import { mapAtOnce } from "../../io/at_once.ts";
import type { Cells } from "../pool.ts";
import { type Ending, isActive, isWaiting, type Scheduler } from "./scheduler.ts";

export type CellState =
  | { readonly is: "finished" | "running" | "waiting" | "not submitted" }
  | { readonly is: "ended"; readonly ending: Ending };

/** The state of each cell, by its index. Slurm is asked once. */
export async function cellStates(cells: Cells, scheduler: Scheduler): Promise<CellState[]> {
  const tasks = await scheduler.tasks();
  const stateOf = async (index: number): Promise<CellState> => {
    const task = tasks.get(index);
    if (await cells.isFinished(index)) return { is: "finished" };
    if (task && isActive(task)) return { is: isWaiting(task) ? "waiting" : "running" };
    if (await cells.isBusy(index)) return { is: "running" };
    const job = Math.max(task?.job ?? 0, (await scheduler.note(index))?.job ?? 0);
    if (job === 0) return { is: "not submitted" };
    return { is: "ended", ending: await scheduler.ending(index, job, task) };
  };
  return await mapAtOnce(Array.from({ length: cells.count }, (_, index) => index), stateOf);
}
