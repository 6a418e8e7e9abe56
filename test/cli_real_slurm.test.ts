/** A table and a sweep by Slurm itself, where it is installed: to the bits of those made without it. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { cli, type Output, succeed, type Surroundings, writeMnist } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";
import { type Cluster, hasSlurm, startCluster, until } from "./support/real_slurm.ts";
import { contentsOf } from "./support/run_contents.ts";

const SHORT = ["--limit", "60", "--batch", "32", "--width", "0.25", "--epochs", "1"]
  .concat(["--treat-epochs", "1"]);
/** One cell at a time on each node. */
const ON = ["--on", "slurm", "--poll", "1", "--sbatch=--cpus-per-task=2"];

Deno.test({
  name:
    "Slurm itself: a table of twelve whose cell is interrupted, command killed, arrays cancelled",
  ignore: !await hasSlurm(),
  fn: () =>
    onCluster(async ({ root, cluster, run }) => {
      const table = await tableOfTwelve(root);
      // As soon as it has submitted again what was told to save, the command is killed.
      const at = /^cell \d+ of 12: .*: ended with exit code 130; it is submitted again$/m;
      const killed = run(table.command, { interrupt: { at, signal: "SIGKILL" } });
      const { task } = await inTraining(cluster, table.out);
      // As before the end of its time, and at preemption.
      await cluster.ask("scancel", "--batch", "--signal=TERM", task);
      await killed;
      await cluster.ask("scancel", "--name", (await arraysIn(cluster)).join(","));
      await until(async () => (await arraysIn(cluster)).length === 0);
      for (
        const { code, stdout, stderr } of await Promise.all([1, 2].map(() => run(table.command)))
      ) {
        assert.equal(code, 0, stdout + stderr);
        assert.match(stdout, /\(12 of 12\)|^12 cells of 12 finished before$/m);
      }
      await table.isRight();
    }),
});

Deno.test({
  name: "Slurm itself: a table of twelve of which a node is lost",
  ignore: !await hasSlurm() || Deno.env.get("MODEL_DOCTOR_SLOW") !== "1",
  fn: () =>
    onCluster(async ({ root, cluster, run }) => {
      const table = await tableOfTwelve(root);
      const running = run(table.command);
      const { cell, node } = await inTraining(cluster, table.out);
      await cluster.loseNode(node, processWith(table.out, "--cell", `${cell}`));
      const { code, stdout, stderr } = await running;
      assert.equal(code, 0, stdout + stderr);
      await table.isRight();
    }),
});

Deno.test({
  name: "Slurm itself: a sweep of four cells, the combinations after what they begin with",
  ignore: !await hasSlurm(),
  fn: () =>
    onCluster(async ({ root, run }) => {
      const [here, there] = [join(root, "here"), join(root, "there")];
      const sweep = ["study", "sweep", "--data", "mnist", "--data-dir", root, ...SHORT]
        .concat(["--alpha", "1", "--seeds", "2"]);
      await succeed(...sweep, "--out", here);
      const { code, stdout, stderr } = await run([...sweep, ...ON, "--out", there]);
      assert.equal(code, 0, stdout + stderr);
      const [first] = [...stdout.matchAll(/^job \d+: (.*)$/gm)];
      assert.equal(first[1], "2 cells submitted", stdout);
      const all = await contentsOf(there);
      for (const name of all.keys()) if (/^(logs|slurm)\//.test(name)) all.delete(name);
      assert.deepEqual(all, await contentsOf(here));
    }),
});

interface Place {
  readonly root: string;
  readonly cluster: Cluster;
  run(command: readonly string[], more?: Surroundings): Promise<Output>;
}

/** Runs a test on a cluster of its own, in a folder with the data of MNIST's names. */
const onCluster = (test: (at: Place) => Promise<void>) =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const cluster = await startCluster(await Deno.makeTempDir({ dir: root }));
    try {
      await test({
        root,
        cluster,
        run: (command, more) => cli(command, { env: cluster.env, ...more }),
      });
    } finally {
      await cluster.stop();
    }
  });

/** A table that is filled on this machine, and the command that has Slurm fill another one. */
async function tableOfTwelve(root: string) {
  const [here, out] = [join(root, "here"), join(root, "there")];
  const table = [
    ...["table", "--data", "mnist,shapes", "--data-dir", root, "--seeds", "6", ...SHORT],
    ...["--test-limit", "60", "--measures", "none", "--arms", "control,treated,placebo"],
  ];
  await succeed(...table, "--on", "local", "--jobs", "2", "--out", here);
  return {
    ...{ out, command: [...table, ...ON, "--out", out] },
    /** Each cell was done once, and all is as in the one made here. */
    isRight: async () => {
      for (const name of ["table.md", "table.csv", "table.json"]) {
        const [one, other] = [here, out].map((of) => Deno.readTextFileSync(join(of, name)));
        assert.equal(one, other, name);
      }
      const cells = await contentsOf(join(out, "cells"));
      assert.deepEqual(cells, await contentsOf(join(here, "cells")));
      assert.equal([...cells.keys()].filter((name) => name.endsWith("result.json")).length, 12);
      const ends = [...Deno.readDirSync(notesOf(out))].map(({ name }) =>
        Deno.readTextFileSync(join(notesOf(out), name)).match(/ended 0$/gm)?.length
      );
      assert.deepEqual(ends, Array(12).fill(1));
    },
  };
}

/** The folder in which each cell's tasks note when they begin and how they end. */
const notesOf = (out: string): string => {
  const [{ name }] = [...Deno.readDirSync(join(out, "slurm"))];
  return join(out, "slurm", name, "tasks");
};

/** The names of the arrays that are in the queue. */
const arraysIn = async (cluster: Cluster): Promise<string[]> => {
  const printed = await cluster.ask("squeue", "--noheader", "--format=%j");
  return [...new Set(printed.split("\n").filter((name) => name !== ""))];
};

interface Training {
  /** As Slurm names it: "4_0". */
  readonly task: string;
  readonly node: string;
  readonly cell: number;
}

/** Waits for a task that has trained its baseline, and is not done. */
async function inTraining(cluster: Cluster, out: string): Promise<Training> {
  let found: Training | undefined;
  await until(async () => {
    const running = await cluster.ask(
      ...[
        "squeue",
        "--noheader",
        "--array",
        "--states=RUNNING",
        "--format=%F_%K %N %j %K",
      ] as const,
    );
    for (const line of running.split("\n").filter((line) => line !== "")) {
      const [task, node, name, index] = line.trim().split(" ");
      const log = await Deno.readTextFile(join(out, "logs", `${name}-${index}.txt`)).catch(() =>
        ""
      );
      // The array's name ends in its first cell.
      const cell = Number(name.split("-").at(-1)) + Number(index);
      if (/^baseline 1\/1 (?![^]*^test )/m.test(log)) found = { task, node, cell };
    }
    return found !== undefined;
  });
  return found!;
}

/** The process on this machine whose command line has these words. */
function processWith(...words: readonly string[]): number {
  const isIt = ({ name }: Deno.DirEntry) => {
    try {
      const line = Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0");
      return words.every((word) => line.includes(word));
    } catch {
      return false;
    }
  };
  return Number([...Deno.readDirSync("/proc")].find(isIt)!.name);
}
