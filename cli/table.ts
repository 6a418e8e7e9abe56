/** The paper's table: models x data sets x seeds, cell by cell. */

import { join } from "node:path";
import { ExitCode, UserError } from "../engine/errors.ts";
import { makeFolder } from "../engine/io/files.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import { looksOnly, placeFlags } from "./cells/flags.ts";
import { fillElsewhere } from "./cells/place.ts";
import { cellAt, type CellWork, readBy } from "./cells/work.ts";
import { type Context, defineCommand } from "./framework/command.ts";
import { withoutFlags } from "./framework/flags.ts";
import { isFinished, type TableCell, tableCells } from "./table/cells.ts";
import { completeInTurn, fillHere } from "./table/fill.ts";
import { type TableArgs, tableFlags } from "./table/flags.ts";
import { TableWriter } from "./table/write.ts";

export const command = defineCommand({
  name: "table",
  summary: "Fill the paper's table: models on data sets, over seeds",
  description:
    "Treats every model on every data set with every seed, a cell each, and writes table.md, " +
    "table.csv and table.json of all cells in the folder, after each cell. Stopped, the same " +
    "command goes on where it was. With --on local, --jobs cells are done at a time; what each " +
    "prints lies in the folder logs. With --on slurm a job array of Slurm does them, one task a cell, " +
    "in a folder that all nodes share. With --on kubernetes the manifest of an Indexed Job is written, " +
    "whose pods do them. The same command may run several times on one folder: each " +
    "cell is done by one of them. A table fills up over several machines: each does some models, " +
    "data sets or seeds; copy their folders into one and run --only-write there.",
  flags: tableFlags,
  examples: [
    { args: "--models small,resnet34 --data shapes,cifar10 --seeds 3", does: "twelve cells" },
    { args: "--seeds 10 --on local --jobs 2", does: "ten cells, two at a time" },
    { args: "--seeds 10 --on local --devices 0,1,2,3", does: "ten cells on four GPUs" },
    {
      args: "--seeds 10 --on slurm --gres gpu:1 --time 2:00:00 --out /shared/table",
      does: "ten cells on a cluster",
    },
    {
      args: "--seeds 10 --on kubernetes --claim lab --limits nvidia.com/gpu=1 --out /shared/table",
      does: "the manifest of a Job of ten",
    },
    { args: "--seed 3 --seeds 2 --out /shared/table", does: "two more seeds, on another machine" },
    { args: "--out /shared/table --only-write", does: "the table of everybody's cells" },
  ],
  async run(args, context) {
    const writer = new TableWriter(args.out);
    const failed = args.onlyWrite ? 0 : await fill(args, context, writer);
    if (failed === undefined) return;
    if (args.cell === undefined) {
      context.print(`\n${await writer.write()}`);
      context.print(`written to ${join(args.out, "table.md")}`);
    }
    if (failed > 0) {
      throw new UserError(
        `the loss of ${failed} cells diverged; the others are done`,
        ExitCode.diverged,
        "a lower --lr, --treat-lr or --alpha often helps",
      );
    }
  },
});

/** Does the cells that are asked for. @returns how many diverged; nothing where it did not wait */
async function fill(
  args: TableArgs,
  context: Context,
  writer: TableWriter,
): Promise<number | undefined> {
  const { out, cell, on } = args;
  const cells = await tableCells(args);
  const asked = cell === undefined ? cells : [cellAt(cells, cell)];
  if (await RunFolder.isAt(out)) {
    throw new UserError(
      `the folder ${out} holds a run, and no table`,
      ExitCode.io,
      "choose another folder with --out",
    );
  }
  if (!looksOnly(args)) await makeFolder(out);
  if (on !== undefined) return await fillElsewhere(workOf(cells, args, writer), args, context);
  return await fillHere(asked, args, context, async () => {
    if (cell === undefined) await writer.keepUp();
  });
}

/** The cells as other processes do them. */
const workOf = (
  cells: readonly TableCell[],
  args: TableArgs,
  writer: TableWriter,
): CellWork => ({
  ...{ name: "table", out: args.out, cells },
  command: withoutFlags(Deno.args, placeFlags),
  files: readBy(tableFlags, args),
  isFinished: (index) => isFinished(cells[index]),
  complete: (index) => completeInTurn(cells[index], args),
  filled: () => writer.keepUp(),
});
