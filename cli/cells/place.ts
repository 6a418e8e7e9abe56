/** Has cells done where the flags say. */

import { keepsLocksToItself } from "../../engine/run/shared_lock.ts";
import type { Context } from "../framework/command.ts";
import type { PlaceArgs } from "./flags.ts";
import { onKubernetes } from "./kubernetes.ts";
import { onThisMachine } from "./local.ts";
import { onSlurm } from "./slurm.ts";
import type { CellWork } from "./work.ts";

/**
 * Does those of the cells that are not finished, in processes of their own.
 * @returns how many diverged; nothing where it did not wait
 * @throws UserError where others could not be done, with the code of the first of them
 */
export async function fillElsewhere(
  work: CellWork,
  args: PlaceArgs,
  context: Context,
): Promise<number | undefined> {
  const elsewhere = args.on !== "local" && !args.dryRun && !args.status;
  const disk = elsewhere ? await keepsLocksToItself(work.out) : undefined;
  if (disk !== undefined) {
    context.print(
      `note: ${disk} keeps locks to each machine: let one command on ${work.out} end before ` +
        "another begins",
    );
  }
  const place = { local: onThisMachine, slurm: onSlurm, kubernetes: onKubernetes }[args.on!];
  return await place(work, args, context);
}
