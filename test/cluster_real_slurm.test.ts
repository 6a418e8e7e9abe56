/** Cells of work on Slurm itself, where it is installed: one controller and two nodes, started here. */

import assert from "node:assert/strict";
import { join } from "node:path";
import type { Cells } from "../engine/cluster/pool.ts";
import { fillBySlurm, type FillOptions } from "../engine/cluster/slurm/fill.ts";
import { Scheduler } from "../engine/cluster/slurm/scheduler.ts";
import { cellStates } from "../engine/cluster/slurm/status.ts";
import { fileExists } from "../engine/io/files.ts";
import { inFolder } from "./support/io.ts";
import { canMount, mount, unmount } from "./support/mount.ts";
import { type Cluster, hasSlurm, startCluster, until } from "./support/real_slurm.ts";

/** What the programs say that is so at a cell's first attempt alone. */
const FIRST = `cell=$2
first() { [ ! -e "first-$cell" ] && echo "$SLURMD_NODENAME $$" > "first-$cell"; }
until_told() { trap 'sleep 0.3; touch saved; exit 130' TERM; while true; do sleep 0.1; done; }`;
const DONE = `echo x >> "done/$cell"`;

const SHORT = `${FIRST}
case "$cell" in
  0) first && kill -9 $$ ;;
  1) first && kill -9 $PPID $$ ;;
  2) exit 6 ;;
  3) first && exec sleep 100 ;;
  4) first && until_told ;;
esac
${DONE}`;

const LONG = `${FIRST}
case "$cell" in
  0) first && exec sleep 1000 ;;
  1) first && until_told ;;
esac
${DONE}`;

/** Each node has a disk of its own. */
const FULL = `cell=$2
head -c 1000 /dev/zero > "scratch-$SLURMD_NODENAME/$cell" || exit 7
sleep 0.5
${DONE}`;

Deno.test({
  name: "Slurm itself: cells that die, are cancelled or told to save, two commands at once",
  ignore: !await hasSlurm(),
  fn: () =>
    onCluster(SHORT, 10, ["--time=5:00"], async ({ folder, cells, scheduler, cluster }) => {
      assert.equal(scheduler.size, 4);
      const failed = new Set<string>();
      const own: FillOptions = {
        ...options,
        failed: (index, { words }, again) => failed.add(`${index} ${words} ${again}`),
      };
      const fills = [0, 1].map(() => fillBySlurm(cells, scheduler, own));
      for (const cell of [3, 4]) await until(() => fileExists(join(folder, `first-${cell}`)));
      assert.equal((await cellStates(cells, scheduler))[3].is, "running");
      const job = async (cell: number) => (await scheduler.note(cell))!.job;
      await cluster.ask("scancel", `${await job(3)}_3`);
      // As before the end of its time, and at preemption: the batch script is told.
      await cluster.ask("scancel", "--batch", "--signal=TERM", `${await job(4)}_0`);
      for (const failures of await Promise.all(fills)) {
        assert.deepEqual([...failures].map(([index, { words }]) => `${index} ${words}`).sort(), [
          ...["2 ended with exit code 6", "3 was cancelled"],
        ]);
      }
      assert.deepEqual([...failed].sort(), [
        "0 ended with exit code 137 true",
        "1 was killed (FAILED) true",
        "2 ended with exit code 6 false",
        "3 was cancelled false",
        "4 ended with exit code 130 true",
      ]);
      assert.ok(await fileExists(join(folder, "saved")));
      for (const index of [0, 1, 4, 5, 6, 7, 8, 9]) {
        assert.equal(await Deno.readTextFile(join(folder, "done", `${index}`)), "x\n");
      }
      // The cancelled one, by a command given anew.
      assert.equal((await fillBySlurm(cells, scheduler, own)).size, 1);
      assert.ok(await fileExists(join(folder, "done", "3")));
    }),
});

Deno.test({
  name: "Slurm itself: a node whose disk is full is avoided, and every cell is done by the other",
  ignore: !await hasSlurm() || !canMount,
  fn: () =>
    onCluster(FULL, 8, ["--time=5:00"], async ({ folder, cells, scheduler }) => {
      const disk = join(folder, "scratch-one");
      for (const name of ["scratch-one", "scratch-two"]) await Deno.mkdir(join(folder, name));
      assert.ok(mount(disk, "size=1m"));
      try {
        await Deno.writeFile(join(disk, "full"), new Uint8Array(1 << 20)).catch(() => {});
        const failed: string[] = [];
        const failures = await fillBySlurm(cells, scheduler, {
          ...{ ...options, retries: 1 },
          failed: (index, { words, node }, again) =>
            failed.push(`${index} ${node} ${words} ${again}`),
        });
        assert.equal(failures.size, 0, failed.join("\n"));
        assert.ok(failed.length > 0);
        for (const line of failed) assert.match(line, /^\d one ended with exit code 7 true$/);
        for (let index = 0; index < 8; index++) {
          assert.equal(await Deno.readTextFile(join(folder, "done", `${index}`)), "x\n");
        }
      } finally {
        unmount(disk);
      }
    }),
});

Deno.test({
  name: "Slurm itself: what a node can't start, as its disk is full, is done by the other",
  // Slurm waits for two minutes before it starts such a task elsewhere.
  ignore: !await hasSlurm() || !canMount || Deno.env.get("MODEL_DOCTOR_SLOW") !== "1",
  fn: () =>
    onCluster(FULL, 8, ["--time=5:00"], async ({ folder, cells, scheduler, cluster }) => {
      for (const name of ["scratch-one", "scratch-two"]) await Deno.mkdir(join(folder, name));
      await Deno.writeFile(join(cluster.spool("one"), "full"), new Uint8Array(1 << 20))
        .catch(() => {});
      const failed: string[] = [];
      const failures = await fillBySlurm(cells, scheduler, {
        ...options,
        failed: (index, { words }, again) => failed.push(`${index} ${words} ${again}`),
      });
      assert.equal(failures.size, 0, failed.join("\n"));
      assert.ok(failed.length > 0);
      for (const line of failed) assert.match(line, /^\d could not be started by its node true$/);
      for (let index = 0; index < 8; index++) {
        assert.equal(await Deno.readTextFile(join(folder, "done", `${index}`)), "x\n");
      }
    }, "size=200k"),
});

Deno.test({
  name: "Slurm itself: a node that is lost, and a time that is over, take nothing away",
  ignore: !await hasSlurm() || Deno.env.get("MODEL_DOCTOR_SLOW") !== "1",
  fn: () =>
    onCluster(
      LONG,
      3,
      ["--time=1", "--cpus-per-task=2"],
      async ({ folder, cells, scheduler, cluster }) => {
        const failed: string[] = [];
        const filling = fillBySlurm(cells, scheduler, {
          ...options,
          failed: (index, { words }, again) => failed.push(`${index} ${words} ${again}`),
        });
        const first = join(folder, "first-0");
        await until(() => fileExists(first));
        const [node, program] = (await Deno.readTextFile(first)).trim().split(" ");
        await cluster.loseNode(node, Number(program));
        const failures = await filling;
        assert.equal(failures.size, 0, failed.join("\n"));
        assert.ok(failed.includes("1 ended with exit code 130 true"), failed.join("\n"));
        for (const index of [0, 1, 2]) {
          assert.equal(await Deno.readTextFile(join(folder, "done", `${index}`)), "x\n");
        }
      },
    ),
});

interface Place {
  readonly folder: string;
  readonly cells: Cells;
  readonly scheduler: Scheduler;
  readonly cluster: Cluster;
}

/** Runs a test on a cluster of its own, with cells that a shell's text does. */
const onCluster = (
  program: string,
  count: number,
  flags: readonly string[],
  test: (at: Place) => Promise<void>,
  /** That of a disk of its own for Slurm's files on the node one. */
  diskSize?: string,
) =>
  inFolder(async (root) => {
    const folder = join(root, "shared table");
    await Deno.mkdir(join(folder, "done"), { recursive: true });
    await Deno.writeTextFile(join(folder, "do.sh"), program);
    const cluster = await startCluster(await Deno.makeTempDir({ dir: root }), diskSize);
    Deno.env.set("SLURM_CONF", cluster.env.SLURM_CONF);
    try {
      const cells = {
        count,
        isFinished: (index: number) => fileExists(join(folder, "done", `${index}`)),
        isBusy: () => Promise.resolve(false),
      };
      const command = ["bash", "do.sh"];
      const work = { name: "work", folder, directory: folder, command, options: flags };
      await test({ folder, cells, cluster, scheduler: await Scheduler.open(work, count) });
    } finally {
      Deno.env.delete("SLURM_CONF");
      await cluster.stop();
      if (diskSize !== undefined) unmount(cluster.spool("one"));
    }
  });

const options: FillOptions = {
  ...{ retries: 2, signal: new AbortController().signal, pause: 500 },
  ...{ submitted: () => {}, finished: () => {}, counted: () => {}, failed: () => {} },
  refused: (error) => assert.fail(error),
};
