/** The paper's table: rows of cells, and the command that fills it. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { atLeisure } from "../cli/cells/pace.ts";
import { fingerprint, tableOf, tableValues } from "../engine/doctor/table.ts";
import { tableMarkdown } from "../engine/report/paper_table.ts";
import { ExitCode } from "../engine/errors.ts";
import { cli, fail, succeed, writeMnist } from "./support/cli.ts";
import { inFolder, namesIn } from "./support/io.ts";

const json = (folder: string, name: string) =>
  JSON.parse(Deno.readTextFileSync(join(folder, name)));
const text = (folder: string, name: string) => Deno.readTextFileSync(join(folder, name));

Deno.test("a fingerprint follows the settings that decide a cell, and only those", async () => {
  const settings = { model: "small", alpha: 1, layer: ["a", "b"], seed: 3, limit: undefined };
  const print = await fingerprint(settings);
  assert.match(print, /^[0-9a-f]{8}$/);
  const same = [
    { layer: ["a", "b"], alpha: 1, model: "small" },
    { ...settings, seed: 4, seeds: 5, out: "x", dataDir: "y", measures: ["none"] },
  ];
  for (const other of same) assert.equal(await fingerprint(other), print);
  for (const other of [{ alpha: 2 }, { layer: ["a"] }, { limit: 100 }, { model: "vgg" }]) {
    assert.notEqual(await fingerprint({ ...settings, ...other }), print);
  }
});

Deno.test("writing at leisure is done at once, and then again when twenty times as long has passed", async () => {
  let writes = 0;
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const write = atLeisure(async () => {
    writes++;
    await pause(20);
  });
  for (let i = 0; i < 3; i++) await write();
  assert.equal(writes, 1);
  const end = performance.now() + 60_000;
  while (writes === 1 && performance.now() < end) await pause(50).then(write);
  assert.equal(writes, 2);
});

Deno.test("table: stops and goes on cell by cell, merges folders, writes every format", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const out = join(root, "table");
    const run = (...more: string[]) => [
      ...["table", "--data", "mnist", "--data-dir", root, "--batch", "32", "--epochs", "1"],
      ...["--treat-epochs", "1", "--measures", "none", "--arms", "control,treated", ...more],
    ];
    const two = run("--seeds", "2", "--out", out);
    const at = /^cell 2 of 2: small on mnist, seed 1\n[^]*^control: /m;
    const { code, stdout } = await cli(two, { interrupt: { at, signal: "SIGINT" } });
    assert.equal(code, ExitCode.interrupted);
    assert.match(stdout, /^stopped; the same command goes on with this cell$/m);
    assert.match(text(out, "table.md"), /^\| small \| 1 \|/m, "the table has what is finished");
    // Of one seed: McNemar's interval.
    const first = json(out, "table.json").rows[0];
    const [cell] = namesIn(join(out, "cells"));
    assert.match(cell, /^mnist-small-[0-9a-f]{8}-seed-0$/);
    const result = json(join(out, "cells", cell), "result.json");
    const [contrast] = first.metrics.accuracy.contrasts;
    assert.deepEqual(contrast.interval, result.contrasts[0].interval);
    assert.equal(contrast.p, result.contrasts[0].mcnemar.p);

    // As kills between the result and the report, and before weights are taken away, leave it.
    await Deno.remove(join(out, "cells", cell, "report.html"));
    await Deno.writeTextFile(join(out, "cells", cell, "control.safetensors"), "");
    const printed = await succeed(...two);
    assert.match(printed, /^cell 1 of 2: .*\n {2}finished before$/m);
    assert.match(printed, /^baseline: finished before$/m);
    const [row] = json(out, "table.json").rows;
    assert.deepEqual(row.seeds, [0, 1]);
    assert.equal(row.metrics.accuracy.models.control.values[0], result.arms.control.test.accuracy);
    assert.deepEqual([row.settings.epochs, row.settings.seed], [1, undefined]);
    assert.ok(namesIn(join(out, "cells", cell)).includes("report.html"));
    const weights = namesIn(join(out, "cells", cell)).filter((name) =>
      /(baseline|control)\.safe/.test(name)
    );
    assert.deepEqual(weights, []);

    // Another machine's seed, and a cell with other settings.
    const other = join(root, "other");
    await succeed(...run("--seed", "2", "--seeds", "1", "--out", other));
    await succeed(...run("--seed", "0", "--seeds", "1", "--alpha", "5", "--out", other));
    for (const name of namesIn(join(other, "cells"))) {
      await Deno.rename(join(other, "cells", name), join(out, "cells", name));
    }
    const merged = await succeed("table", "--only-write", "--out", out);
    assert.match(merged, /^## mnist$/m);
    assert.match(merged, /^\| small \| [0-9a-f]{8} \| 3 \| control \| \d+\.\d\d ± \d+\.\d\d \|/m);
    assert.match(merged, /^\| small \| [0-9a-f]{8} \| 1 \| treated \|/m);
    const csv = text(out, "table.csv").trimEnd().split("\n").map((line) => line.split(","));
    assert.ok(csv.every((line) => line.length === csv[0].length));
    const accuracy = csv.filter((line) => line[4] === "accuracy");
    const arms = ["baseline", "control", "treated"];
    assert.deepEqual(
      accuracy.map((line) => `${line[3]} ${line[5]}`).sort(),
      [...arms.map((arm) => `1 ${arm}`), ...arms.map((arm) => `3 ${arm}`)],
    );

    await fail(
      ExitCode.usage,
      /no model smal; did you mean small\?/,
      "table",
      "--models",
      "smal",
    );
    await fail(ExitCode.usage, /no data set mnits; did you mean mnist/, "table", "--data", "mnits");
    const last = ["--models", "small,squeezenet", "--layer", "last"];
    const none = join(root, "none");
    await fail(ExitCode.method, /conv10 is constant/, ...run(...last, "--out", none));
    assert.deepEqual(namesIn(none), [], "no cell is begun where one of them can't be had");
    const empty = join(root, "empty");
    await fail(ExitCode.io, /holds no finished cell/, "table", "--only-write", "--out", empty);
  }));

Deno.test("table --on local: stopped, several at once, and still what one process makes", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const run = (...more: string[]) => [
      ...["table", "--data", "mnist", "--data-dir", root, "--batch", "32", "--epochs", "1"],
      ...["--treat-epochs", "1", "--measures", "none", "--arms", "control,treated", ...more],
      ...["--seeds", "2"],
    ];
    const here = join(root, "here");
    const one = join(root, "one");
    await succeed(...run("--out", here));
    const local = (out: string) => run("--on", "local", "--jobs=2", "--out", out);

    const at = /^cell 2 of 2: .*: begun$/m;
    const stopped = await cli(local(one), { interrupt: { at, signal: "SIGTERM" } });
    assert.equal(stopped.code, ExitCode.interrupted, stopped.stderr);
    assert.match(stopped.stdout, /^stopped; the same command goes on with the cells/m);

    const atOnce = await Promise.all(
      [local(one), local(one), run("--out", one)].map((args) => cli(args)),
    );
    for (const { code, stdout, stderr } of atOnce) assert.equal(code, 0, stdout + stderr);
    assert.equal(text(one, "table.csv"), text(here, "table.csv"));
    const logs = namesIn(join(one, "logs")).map((name) => text(join(one, "logs"), name));
    const all = [...logs, atOnce[2].stdout].join("\n");
    assert.equal(all.match(/^test: /mg)?.length, 2, `each done by one process only:\n${all}`);

    // A scheduler's job array gives the index.
    const again = await succeed(...run("--out", one, "--cell", "1"));
    assert.match(again, /^cell 1 of 1: small on mnist, seed 1\n {2}finished before$/m);
    await fail(ExitCode.usage, /--cell 2: there are 2 cells/, ...run("--cell", "2"));
    await fail(ExitCode.usage, /--jobs has no effect without --on/, ...run("--jobs", "2"));
    const two = run("--on", "local", "--devices", "0,1", "--jobs", "1");
    await fail(ExitCode.usage, /--devices names 2 devices, more than the 1 of --jobs/, ...two);
  }));

Deno.test("table --on local: why cells could not be done is said at once and at the end", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    await Deno.writeTextFile(join(root, "t10k-labels-idx1-ubyte.gz"), "no labels");
    const run = ["table", "--data", "mnist", "--data-dir", root, "--seeds", "2", "--on", "local"];
    const { code, stdout, stderr } = await cli([...run, "--out", join(root, "table")]);
    assert.equal(code, ExitCode.data);
    const told =
      /^cell 1 of 2: .*: ended with exit code 4: (.*t10k-labels.*)\n {2}what it printed: /m;
    const reason = told.exec(stdout)?.[1];
    assert.ok(reason, stdout);
    assert.ok(
      stderr.startsWith(
        `error: 2 of 2 cells could not be done\n  cells 1-2: ${reason} (exit code 4)\nhint: `,
      ),
      stderr,
    );
  }));

Deno.test("rows: by data set and model, seeds in order, names escaped", () => {
  const model = (accuracy: number) => ({
    test: { accuracy, loss: 1 },
    measures: { classes: [], calibration: { ece: 0.1 }, probes: {} },
  });
  const cell = (data: string, name: string, seed: number, gain: number) => ({
    ...{ fingerprint: "f", settings: { seed, alpha: 1 } },
    result: {
      ...{ model: name, data, seed, baseline: model(0.5) },
      arms: { control: model(0.6), treated: model(0.6 + gain) },
      contrasts: [{
        ...{ arm: "treated", against: "control", difference: gain },
        ...{ interval: [0, 1], mcnemar: { b: 0, c: 1, p: 0.5 } },
      }],
    },
  });
  const cells = [
    cell("b|c", "vgg", 1, 0.04),
    cell("b|c", "vgg", 0, 0.02),
    cell("a", "small", 0, -0.01),
  ] as unknown as Parameters<typeof tableOf>[0];
  const file = tableOf(cells);
  assert.deepEqual(file.rows.map(({ data, seeds }) => [data, seeds]), [["a", [0]], ["b|c", [
    0,
    1,
  ]]]);
  const values = tableValues(file.rows[1]);
  assert.deepEqual(values[0].slice(0, 7), ["b|c", "vgg", "f", 2, "accuracy", "baseline", 0.5]);
  assert.deepEqual([values[2][5], values[2][8]], ["treated", "control"]);
  assert.ok(Math.abs(Number(values[2][9]) - 0.03) < 1e-12);
  const markdown = tableMarkdown(file);
  assert.match(markdown, /^\| small \| 1 \| control \| 60\.00 \| /m);
  assert.match(markdown, /^\| small \| 1 \| treated \| 59\.00 \| −1\.00 \(0\.00 to/m);
  assert.match(markdown, /^\| vgg \| 2 \| baseline \| 50\.00 ± 0\.00 \|/m);
  assert.match(markdown, /^\| vgg \| 2 \| treated \| 63\.00 ± 1\.41 \| \+3\.00 \(/m);
});
