/** Cells of work by several processes at a time, with processes that are made up. */

import assert from "node:assert/strict";
import { fillCells, type PoolOptions, type Start } from "../engine/cluster/pool.ts";
import { startProcess } from "../engine/cluster/process.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { draws } from "../engine/random.ts";
import { inFolder } from "./support/io.ts";

/** A folder of cells, and processes that end after a turn or so with what `codes` says. */
function folder(count: number, codeOf: (index: number, attempt: number) => number) {
  const finished = new Set<number>();
  const busy = new Set<number>();
  const attempts = new Map<number, number>();
  let atOnce = 0;
  const start: Start = (index) => {
    let code: number | undefined = busy.has(index) ? ExitCode.io : undefined;
    const isOwn = code === undefined;
    if (isOwn) {
      assert.ok(!finished.has(index), `cell ${index} is begun although it is finished`);
      attempts.set(index, (attempts.get(index) ?? 0) + 1);
      busy.add(index);
      atOnce = Math.max(atOnce, busy.size);
    }
    const work = async () => {
      await new Promise((resolve) => setTimeout(resolve, index % 3));
      if (!isOwn) return code!;
      code ??= codeOf(index, attempts.get(index)!);
      if (code === 0) finished.add(index);
      busy.delete(index);
      return code;
    };
    return { ended: work(), stop: () => code ??= ExitCode.interrupted };
  };
  const cells = {
    count,
    isFinished: (index: number) => Promise.resolve(finished.has(index)),
    isBusy: (index: number) => Promise.resolve(busy.has(index)),
  };
  return { cells, start, finished, attempts, largest: () => atOnce };
}

const options = (more: Partial<PoolOptions> = {}): PoolOptions => ({
  ...{ jobs: 8, retries: 2, signal: new AbortController().signal, pause: 1 },
  ...{ began: () => {}, finished: () => {}, failed: () => {} },
  ...more,
});

Deno.test("a cell that comes after another waits for it, and is dropped where that fails", async () => {
  const of = folder(6, (index) => index === 3 ? ExitCode.diverged : 0);
  const order: string[] = [];
  const failures = await fillCells(
    { ...of.cells, after: (index) => index % 3 === 0 ? undefined : index - index % 3 },
    of.start,
    options({
      began: (index) => order.push(`began ${index}`),
      finished: (index) => void order.push(`finished ${index}`),
      dropped: (index, after) => order.push(`dropped ${index} after ${after}`),
    }),
  );
  assert.deepEqual([...failures], [[3, 6], [4, 6], [5, 6]]);
  for (const index of [1, 2]) {
    assert.ok(order.indexOf("finished 0") < order.indexOf(`began ${index}`), `${order}`);
  }
  assert.deepEqual(order.filter((line) => line.startsWith("dropped")), [
    ...["dropped 4 after 3", "dropped 5 after 3"],
  ]);
});

Deno.test("5,000 cells, some of which fail, by two pools at once: each done once, none missing", async () => {
  const word = draws(7, 0);
  // One in ten attempts is killed; cells of which the third is too go on in a later run.
  const of = folder(5000, (index, attempt) => word(8 * index + attempt) % 10 === 0 ? 137 : 0);
  const pools = () => Promise.all([0, 1].map(() => fillCells(of.cells, of.start, options())));
  const failures = await pools();
  const missing = 5000 - of.finished.size;
  assert.ok(missing < 50 && of.largest() <= 16, `${missing} ${of.largest()}`);
  for (const index of failures.flatMap((of) => [...of.keys()])) {
    assert.ok(of.attempts.get(index)! >= 3, `cell ${index} was given up`);
  }
  while (of.finished.size < 5000) await pools();
  for (let i = 0; i < 5000; i++) {
    let needed = 1;
    while (word(8 * i + needed) % 10 === 0) needed++;
    assert.equal(of.attempts.get(i), needed, `cell ${i}`);
  }
});

Deno.test("what fails for good is not tried again, and what fails for all ends the pool", async () => {
  const diverging = folder(4, (index) => index === 2 ? ExitCode.diverged : 0);
  const failed: [number, number, boolean][] = [];
  const failures = await fillCells(
    diverging.cells,
    diverging.start,
    options({ failed: (...args) => void failed.push(args) }),
  );
  assert.deepEqual([...failures], [[2, ExitCode.diverged]]);
  assert.deepEqual(failed, [[2, ExitCode.diverged, false]]);
  assert.deepEqual([...diverging.finished].sort(), [0, 1, 3]);

  const silent = folder(100, () => ExitCode.noAdapter);
  const { size } = await fillCells(silent.cells, silent.start, options({ jobs: 2 }));
  assert.ok(size <= 2, `${size} processes found out that there is no adapter`);
});

Deno.test("a stopped pool stops its processes, begins no other and goes on later", async () => {
  const of = folder(100, () => 0);
  const work = new AbortController();
  const reason = new UserError("interrupted", ExitCode.interrupted);
  const finished = () => {
    if (of.finished.size >= 10) work.abort(reason);
  };
  const filling = fillCells(of.cells, of.start, options({ signal: work.signal, finished }));
  await assert.rejects(filling, reason);
  const done = of.finished.size;
  assert.ok(done >= 10 && done < 30, `${done}`);
  await fillCells(of.cells, of.start, options());
  assert.equal(of.finished.size, 100);
});

Deno.test("a process: what it prints is in its log, its code is told, and it can be stopped", () =>
  inFolder(async (root) => {
    const log = `${root}/logs/a.txt`;
    const program = (code: string) => [Deno.execPath(), "eval", code];
    const printing = startProcess(
      program(`console.log("one"); console.error("two"); Deno.exit(6)`),
      log,
    );
    assert.equal(await printing.ended, 6);
    const printed = (await Deno.readTextFile(log)).trim().split("\n").sort();
    assert.deepEqual(printed, ["one", "two"]);
    const waiting = startProcess(program(`setTimeout(() => {}, 60_000)`), log);
    await new Promise((resolve) => setTimeout(resolve, 300));
    waiting.stop();
    assert.equal(await waiting.ended, 143);
  }));
