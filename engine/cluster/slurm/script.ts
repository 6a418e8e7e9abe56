/**
 * What Slurm is given: a script that does one cell, whichever task of a job array runs it, and
 * which cells the arrays have. A cell's number is the task's index plus the first cell of its
 * array, which is the script's argument: Slurm bounds the index itself.
 */

import { join } from "node:path";
import { quoted } from "../shell.ts";

/** Cells that job arrays do. */
export interface Work {
  /** The same for the same cells in the same folder, so that whoever asks finds them in the queue. */
  readonly name: string;
  /** The folder that all nodes share, as an absolute path. */
  readonly folder: string;
  /** The program that does a cell, to which `--cell` and the cell's index are added. */
  readonly command: readonly string[];
  /** Where it is started. */
  readonly directory: string;
  /** Options of sbatch, a line each: "--time=2:00:00". */
  readonly options: readonly string[];
  /** Tasks of an array that run at a time (default as many as there is room for). */
  readonly atOnce?: number;
}

/** The folder of the script, and of what its tasks say about themselves. */
export const folderOf = ({ folder, name }: Work): string => join(folder, "slurm", name);

export const scriptPath = (work: Work): string => join(folderOf(work), "job.sh");

/** Where a cell's task notes when it began and how it ended. */
export const notePath = (work: Work, cell: number): string =>
  join(folderOf(work), "tasks", `${cell}`);

/** What the task of a cell prints. @param first cell of its array */
export const logPath = (work: Work, cell: number, first: number): string =>
  join(work.folder, "logs", `${arrayName(work, first)}-${cell - first}.txt`);

/** The name in Slurm's queue of the array that begins at a cell. */
export const arrayName = ({ name }: Work, first: number): string => `${name}-${first}`;

/** Seconds before the end of a task's time at which it is told to save. */
const BEFORE_END = 60;

/**
 * The script. Its shell lives on beside the program, to note how that ended; at SIGTERM, which
 * Slurm sends before the time is over and at preemption, it waits for the program to save.
 */
export function scriptText(work: Work): string {
  const log = join(work.folder, "logs").replaceAll("%", "%%");
  const options = [
    ...["--ntasks=1", "--requeue", "--open-mode=append", `--signal=B:TERM@${BEFORE_END}`],
    `--output="${log.replace(/["\\]/g, "\\$&")}/%x-%a.txt"`,
    ...work.options,
  ];
  const command = work.command.map(quoted).join(" ");
  return `#!/bin/bash
# Does one cell: that of the task's index, counted from the cell that is the argument.
${options.map((option) => `#SBATCH ${option}`).join("\n")}

cell=$((\${1:-0} + SLURM_ARRAY_TASK_ID))
note=${quoted(join(folderOf(work), "tasks"))}/$cell
job=\${SLURM_ARRAY_JOB_ID:-0}
echo "$job begun \${SLURMD_NODENAME:-$(uname -n)}" >> "$note"
cd ${quoted(work.directory)} || exit 7

${command} --cell "$cell" &
program=$!
trap 'signalled=1; kill -TERM "$program" 2> /dev/null' TERM
# A signal ends wait, and not the program.
while signalled=; wait "$program"; code=$?; [ -n "$signalled" ]; do :; done

echo "$job ended $code" >> "$note"
exit "$code"
`;
}

/** One job array. */
export interface Piece {
  /** The cell that its index 0 means. */
  readonly first: number;
  /** Its indices, in Slurm's notation. */
  readonly indices: string;
  readonly cells: readonly number[];
}

/** Job arrays for cells, in rising order. @param size Slurm's MaxArraySize: each index is below it */
export function piecesOf(cells: readonly number[], size: number): Piece[] {
  const pieces = Map.groupBy(cells, (cell) => Math.floor(cell / size) * size);
  return [...pieces].map(([first, cells]) => ({
    ...{ first, cells },
    indices: arrayNotation(cells.map((cell) => cell - first)),
  }));
}

/** Indices in rising order as Slurm writes them: "0-3,7". */
export function arrayNotation(indices: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const index of indices) {
    const last = runs.at(-1);
    if (last?.[1] === index - 1) last[1] = index;
    else runs.push([index, index]);
  }
  return runs.map(([from, to]) => from === to ? `${from}` : `${from}-${to}`).join(",");
}

/** The command line that submits an array. @param avoided a node that is not to do it */
export const submission = (
  work: Work,
  { first, indices }: Piece,
  avoided?: string,
): string[] => [
  ...["sbatch", "--parsable", `--job-name=${arrayName(work, first)}`],
  ...avoided === undefined ? [] : [`--exclude=${avoided}`],
  `--array=${indices}${work.atOnce === undefined ? "" : `%${work.atOnce}`}`,
  ...[scriptPath(work), `${first}`],
];
