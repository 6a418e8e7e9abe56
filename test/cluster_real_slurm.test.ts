/** Cells of work on Slurm itself, where it is installed: one controller and two nodes, started here. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fillBySlurm, type FillOptions } from "../engine/cluster/slurm/fill.ts";
import { Scheduler } from "../engine/cluster/slurm/scheduler.ts";
import { cellStates } from "../engine/cluster/slurm/status.ts";
import { fileExists } from "../engine/io/files.ts";
import { inFolder } from "./support/io.ts";
import { hasSlurm, startCluster, until } from "./support/real_slurm.ts";

/** Cells are files; some of the first attempts end as $cell says. */
const PROGRAM = `cell=$2
first() { [ ! -e "first-$cell" ] && echo "$SLURMD_NODENAME $PPID $$" > "first-$cell"; }
case "$cell" in
  0) first && kill -9 $$ ;;
  1) first && kill -9 $PPID $$ ;;
  2) exit 6 ;;
  3) first && exec sleep 100 ;;
  4) first && { trap 'sleep 0.3; touch saved; exit 130' TERM; while true; do sleep 0.1; done; } ;;
esac
echo x >> "done/$cell"`;

Deno.test({
  name:
    "Slurm itself: cells that die, are cancelled, preempted, or in arrays of four by two at once",
  ignore: !await hasSlurm(),
  fn: () =>
    inFolder(async (root) => {
      const folder = join(root, "shared table");
      await Deno.mkdir(join(folder, "done"), { recursive: true });
      await Deno.writeTextFile(join(folder, "do.sh"), PROGRAM);
      const cluster = await startCluster(await Deno.makeTempDir({ dir: root }));
      Deno.env.set("SLURM_CONF", cluster.env.SLURM_CONF);
      try {
        const count = 10;
        const cells = {
          count,
          isFinished: (index: number) => fileExists(join(folder, "done", `${index}`)),
          isBusy: () => Promise.resolve(false),
        };
        const scheduler = await Scheduler.open({
          ...{ name: "work", folder, directory: folder, command: ["bash", "do.sh"] },
          options: ["--time=5:00"],
        }, count);
        assert.equal(scheduler.size, 4);
        const failed: string[] = [];
        const options: FillOptions = {
          ...{ retries: 2, signal: new AbortController().signal, pause: 500 },
          ...{ submitted: () => {}, finished: () => {}, counted: () => {} },
          failed: (index, { words }, again) => failed.push(`${index} ${words} ${again}`),
          refused: (error) => assert.fail(error),
        };
        const fills = [0, 1].map(() => fillBySlurm(cells, scheduler, options));
        const began = (cell: number) => () => fileExists(join(folder, `first-${cell}`));
        await until(began(3));
        await until(began(4));
        const states = await cellStates(cells, scheduler);
        assert.equal(states[3].is, "running");
        const job = async (cell: number) => (await scheduler.note(cell))!.job;
        await cluster.ask("scancel", `${await job(3)}_3`);
        // As before the end of its time, and at preemption: the batch script is told.
        await cluster.ask("scancel", "--batch", "--signal=TERM", `${await job(4)}_0`);
        const failures = await Promise.all(fills);
        for (const of of failures) {
          assert.deepEqual([...of].map(([index, { words }]) => `${index} ${words}`).sort(), [
            ...["2 ended with exit code 6", "3 was cancelled"],
          ]);
        }
        const ends = new Set(failed);
        assert.ok(ends.has("0 ended with exit code 137 true"), failed.join("\n"));
        assert.ok(ends.has("1 was killed (FAILED) true"), failed.join("\n"));
        assert.ok(ends.has("4 ended with exit code 130 true"), failed.join("\n"));
        assert.ok(await fileExists(join(folder, "saved")));
        for (const index of [0, 1, 4, 5, 6, 7, 8, 9]) {
          assert.equal(await Deno.readTextFile(join(folder, "done", `${index}`)), "x\n");
        }
        // The cancelled one, by a command given anew.
        assert.equal((await fillBySlurm(cells, scheduler, options)).size, 1);
        assert.ok(await fileExists(join(folder, "done", "3")));
      } finally {
        Deno.env.delete("SLURM_CONF");
        await cluster.stop();
      }
    }),
});
