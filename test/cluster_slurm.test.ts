/** Cells of work by job arrays of Slurm: a made-up one (support/slurm.ts), and cells that are files. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fillBySlurm, type FillOptions } from "../engine/cluster/slurm/fill.ts";
import { Scheduler } from "../engine/cluster/slurm/scheduler.ts";
import {
  arrayNotation,
  notePath,
  piecesOf,
  scriptPath,
  scriptText,
  type Work,
} from "../engine/cluster/slurm/script.ts";
import { quoted } from "../engine/cluster/shell.ts";
import { cellStates } from "../engine/cluster/slurm/status.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { fileExists } from "../engine/io/files.ts";
import { inFolder, userError } from "./support/io.ts";
import { type FakeSlurm, fakeSlurm } from "./support/slurm.ts";

/** Runs a test with Slurm on the PATH, and cells that a shell's text does: $cell is the index. */
const onSlurm = (size: number, program: string, test: (at: Place) => Promise<void>) =>
  inFolder(async (root) => {
    const slurm = fakeSlurm(root, size);
    const before = Object.keys(slurm.env).map((name) => [name, Deno.env.get(name)] as const);
    for (const [name, value] of Object.entries(slurm.env)) Deno.env.set(name, value);
    try {
      // A folder that a shell, and Slurm's own notation, would take apart.
      const folder = join(root, "the 50% 'table'");
      await Deno.mkdir(join(folder, "done"), { recursive: true });
      await Deno.writeTextFile(join(folder, "do.sh"), `cell=$2\n${program}`);
      await test({ folder, slurm, work: { ...work, folder, directory: folder } });
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) Deno.env.delete(name);
        else Deno.env.set(name, value);
      }
    }
  });
interface Place {
  readonly folder: string;
  readonly slurm: FakeSlurm;
  readonly work: Work;
}

const work: Work = {
  ...{ name: "work", folder: "/shared", directory: "/home" },
  ...{ command: ["bash", "do.sh"], options: ["--time=1:00"] },
};

const cellsIn = (folder: string, count: number) => ({
  count,
  isFinished: (index: number) => fileExists(join(folder, "done", `${index}`)),
  isBusy: () => Promise.resolve(false),
});

const options = (more: Partial<FillOptions> = {}): FillOptions => ({
  ...{ retries: 2, signal: new AbortController().signal, pause: 100 },
  ...{ submitted: () => {}, finished: () => {}, failed: () => {}, counted: () => {} },
  ...{ refused: (error) => assert.fail(error), ...more },
});

Deno.test("cells in Slurm's notation, and in arrays whose indices it allows", () => {
  assert.equal(arrayNotation([0, 1, 2, 3, 7, 9, 10]), "0-3,7,9-10");
  assert.deepEqual(piecesOf([0, 1, 999, 1000, 1001, 2500], 1000), [
    { first: 0, indices: "0-1,999", cells: [0, 1, 999] },
    { first: 1000, indices: "0-1", cells: [1000, 1001] },
    { first: 2000, indices: "500", cells: [2500] },
  ]);
});

Deno.test("seven cells in arrays of three by two at once: each done once, few questions", () =>
  onSlurm(3, `sleep 0.2; echo x >> "done/$cell"`, async ({ folder, slurm, work }) => {
    await Deno.writeTextFile(join(folder, "done", "1"), "before\n");
    const fill = async () => {
      const finished: number[] = [];
      const failures = await fillBySlurm(
        cellsIn(folder, 7),
        await Scheduler.open({ ...work, atOnce: 2 }, 7),
        options({ finished: (of) => void finished.push(...of) }),
      );
      assert.equal(failures.size, 0);
      assert.deepEqual(finished.sort(), [0, 1, 2, 3, 4, 5, 6]);
    };
    await Promise.all([fill(), fill()]);
    for (const index of [0, 2, 3, 4, 5, 6]) {
      assert.equal(await Deno.readTextFile(join(folder, "done", `${index}`)), "x\n");
    }
    const path = scriptPath(work);
    assert.deepEqual(slurm.asked("sbatch"), [
      `--parsable --job-name=work-0 --array=0,2%2 ${path} 0`,
      `--parsable --job-name=work-3 --array=0-2%2 ${path} 3`,
      `--parsable --job-name=work-6 --array=0%2 ${path} 6`,
    ]);
    const questions = slurm.asked("squeue");
    assert.ok(questions.every((line) => line.endsWith("--name=work-0,work-3,work-6")));
    assert.ok((await Deno.stat(join(folder, "logs", "work-3-2.txt"))).isFile);
  }));

Deno.test("5,000 cells, some of which fail: each done once, and Slurm is asked a few times", () =>
  onSlurm(1001, "", async ({ folder, slurm, work }) => {
    // One attempt in seven fails.
    slurm.atOnce(`task() {
      (( (3 * cell + 2 * job) % 7 )) && echo x >> ${quoted(join(folder, "done"))}/$cell
    }`);
    let attempts = 0;
    const failures = await fillBySlurm(
      cellsIn(folder, 5000),
      await Scheduler.open(work, 5000),
      options({ retries: 6, submitted: (_, { length }) => attempts += length }),
    );
    assert.equal(failures.size, 0);
    assert.ok(attempts > 5600, `${attempts}`);
    for (let cell = 0; cell < 5000; cell++) {
      assert.equal((await Deno.stat(join(folder, "done", `${cell}`))).size, 2, `cell ${cell}`);
    }
    const questions = slurm.asked("sbatch").length + slurm.asked("squeue").length;
    assert.ok(questions < 40, `${questions}`);
  }));

Deno.test("what may pass is submitted again, what does not is not, and what was cancelled", () => {
  const program = `
    [ "$cell" = 0 ] && [ ! -e once ] && { touch once; kill -9 $$; }
    [ "$cell" = 1 ] && exit 6
    [ "$cell" = 2 ] && exit 9
    touch "done/$cell"`;
  return onSlurm(1001, program, async ({ folder, slurm, work }) => {
    const scheduler = await Scheduler.open(work, 4);
    const failed: [number, string, boolean][] = [];
    const failures = await fillBySlurm(
      cellsIn(folder, 4),
      scheduler,
      options({
        retries: 1,
        failed: (index, { words }, again) => failed.push([index, words, again]),
      }),
    );
    assert.deepEqual(failed.sort(), [
      [0, "ended with exit code 137", true],
      [1, "ended with exit code 6", false],
      [2, "ended with exit code 9", false],
      [2, "ended with exit code 9", true],
    ]);
    assert.deepEqual([...failures].map(([index, { code }]) => [index, code]).sort(), [[1, 6], [
      2,
      9,
    ]]);
    const states = await cellStates(cellsIn(folder, 5), scheduler);
    assert.deepEqual(states.map(({ is }) => is), [
      ...["finished", "ended", "ended", "finished", "not submitted"],
    ]);

    // A command that begins anew tries what failed again; here that is cancelled in the queue.
    slurm.hold(true);
    const cancelled = await fillBySlurm(
      cellsIn(folder, 3),
      scheduler,
      options({
        counted: ({ reasons, jobs }) => {
          if (reasons.includes("Resources")) slurm.cancel(jobs[0]);
        },
      }),
    );
    assert.deepEqual([...cancelled.values()].map(({ words }) => words), [
      ...["was cancelled", "was cancelled"],
    ]);
  });
});

Deno.test("a cell that comes after another waits for it, and is dropped where that fails", () => {
  const program = `[ "$cell" = 3 ] && exit 6; [ "$cell" = 1 ] && [ ! -e done/0 ] && exit 6
    touch "done/$cell"`;
  return onSlurm(1001, program, async ({ folder, slurm, work }) => {
    const dropped: [number, number][] = [];
    const failures = await fillBySlurm(
      { ...cellsIn(folder, 6), after: (index) => index % 3 === 0 ? undefined : index < 3 ? 0 : 3 },
      await Scheduler.open(work, 6),
      options({ dropped: (...of) => void dropped.push(of) }),
    );
    assert.deepEqual([...failures].map(([index, { code }]) => [index, code]), [[3, 6], [4, 6], [
      5,
      6,
    ]]);
    assert.deepEqual(dropped, [[4, 3], [5, 3]]);
    const arrays = slurm.asked("sbatch").map((line) => /--array=(\S+)/.exec(line)![1]);
    assert.deepEqual(arrays, ["0,3", "1-2"]);
  });
});

Deno.test("waiting ends with the signal, no job does, and Slurm may fall silent meanwhile", () =>
  onSlurm(1001, `touch "done/$cell"`, async ({ folder, slurm, work }) => {
    slurm.hold(true);
    const scheduler = await Scheduler.open(work, 2);
    const waiting = new AbortController();
    const reason = new UserError("interrupted", ExitCode.interrupted);
    const path = Deno.env.get("PATH")!;
    const refused: string[] = [];
    const filling = fillBySlurm(
      cellsIn(folder, 2),
      scheduler,
      options({
        signal: waiting.signal,
        submitted: () => Deno.env.set("PATH", "/nowhere"),
        refused: ({ message }) => {
          refused.push(message);
          waiting.abort(reason);
        },
      }),
    );
    await assert.rejects(filling, reason);
    assert.match(refused[0], /there is no squeue on this machine: Slurm is not installed here/);
    await userError(Scheduler.open(work, 2), ExitCode.failure, /there is no scontrol/);
    Deno.env.set("PATH", path);
    const states = await cellStates(cellsIn(folder, 2), scheduler);
    assert.deepEqual(states, [{ is: "waiting" }, { is: "waiting" }]);
    assert.equal(slurm.asked("sbatch").length, 1);
  }));

Deno.test("the script passes SIGTERM on, and waits until the program has saved", () => {
  const program = `trap 'sleep 0.3; echo saved > saved; exit 130' TERM
    touch begun; while true; do sleep 0.05; done`;
  return onSlurm(1001, program, async ({ folder, work }) => {
    const scheduler = await Scheduler.open(work, 1);
    await scheduler.prepare();
    const text = await Deno.readTextFile(scriptPath(work));
    assert.equal(text, scriptText(work));
    assert.match(text, /^#SBATCH --signal=B:TERM@60$/m);
    assert.match(text, /^#SBATCH --output=".*the 50%% 'table'\/logs\/%x-%a\.txt"$/m);
    assert.match(text, /^#SBATCH --time=1:00$/m);
    const env = {
      ...{ SLURM_ARRAY_JOB_ID: "7", SLURM_ARRAY_TASK_ID: "2", SLURMD_NODENAME: "n1" },
    };
    const task = new Deno.Command("bash", { args: [scriptPath(work), "10"], env }).spawn();
    while (!await fileExists(join(folder, "begun"))) await new Promise((r) => setTimeout(r, 20));
    task.kill("SIGTERM");
    assert.equal((await task.status).code, 130);
    assert.equal(await Deno.readTextFile(join(folder, "saved")), "saved\n");
    const note = await Deno.readTextFile(notePath(work, 12));
    assert.match(note, /^7 begun \S+\n7 ended 130\n$/);
    assert.deepEqual(await scheduler.note(12), { job: 7, code: 130, node: "n1" });
  });
});
