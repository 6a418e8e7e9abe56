/** The paper's table, and a sweep, by job arrays, on a Slurm of shell scripts. */

import assert from "node:assert/strict";
import { delimiter, dirname, join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import { cli, fail, succeed, type Surroundings, writeMnist } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";
import { contentsOf } from "./support/run_contents.ts";
import { fakeSlurm } from "./support/slurm.ts";

Deno.test("table --on slurm: shown, submitted, looked at, cancelled, done", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const slurm = fakeSlurm(root);
    const env = { ...slurm.env, PATH: [dirname(Deno.execPath()), slurm.env.PATH].join(delimiter) };
    const out = join(root, "table");
    const run = async (code: number, more: string[], also: Surroundings = {}) => {
      const flags = [
        ...["table", "--data", "mnist", "--data-dir", root, "--batch", "32", "--epochs", "1"],
        ...["--treat-epochs", "1", "--measures", "none", "--arms", "control,treated"],
        ...["--seeds", "2", "--out", out, "--on", "slurm", ...more],
      ];
      const output = await cli(flags, { env, ...also });
      assert.equal(output.code, code, output.stdout + output.stderr);
      return output;
    };
    const asked = ["--time", "2:00:00", "--gres=gpu:1", "--sbatch=--mem=16G --account=lab"];
    const shown = (await run(0, ["--dry-run", "--jobs", "4", ...asked])).stdout;
    assert.match(shown, /^#!\/bin\/bash\n/m);
    assert.match(shown, /^#SBATCH --time=2:00:00\n#SBATCH --gres=gpu:1\n#SBATCH --mem=16G --acc/m);
    assert.match(shown, / run -A \S+main\.ts table .* --seeds 2 --out \S+ --cell "\$cell" &$/m);
    assert.match(shown, /^sbatch --parsable --job-name=table-[0-9a-f]{8}-0 --array=0-1%4 \S+ 0$/m);
    assert.throws(() => slurm.asked("sbatch"), Deno.errors.NotFound);
    assert.match((await run(0, ["--status"])).stdout, /^2 cells: 0 finished, .* 2 not submitted$/m);
    await assert.rejects(Deno.stat(out), Deno.errors.NotFound, "nothing is made");

    slurm.hold(true);
    assert.match((await run(0, ["--detach"])).stdout, /^job 100: 2 cells submitted$/m);
    const told = (await run(0, ["--status"])).stdout;
    assert.match(told, /^2 cells: 0 finished, 0 running, 2 waiting, 0 ended, 0 not submitted$/m);
    const at = /^0 finished, 0 running, 2 waiting \(Resources\)$/m;
    const interrupt = { at, signal: "SIGINT" } as const;
    const stopped = await run(ExitCode.interrupted, ["--poll", "1"], { interrupt });
    assert.match(stopped.stdout, /^stopped waiting; the jobs go on, and the same command/m);
    assert.match(stopped.stdout, /^to cancel them: scancel 100$/m);
    slurm.cancel(100);
    assert.match((await run(0, ["--status"])).stdout, /^cell 2 of 2: .*: was cancelled$/m);
    assert.equal(slurm.asked("sbatch").length, 1, "what was in the queue was not submitted again");

    slurm.hold(false);
    const { stdout } = await run(0, ["--poll", "1", "--jobs", "1"]);
    assert.match(stdout, /^job 101: 2 cells submitted$/m);
    assert.match(stdout, /^cell [12] of 2: small on mnist, seed [01]: finished \(2 of 2\)$/m);
    assert.match(await Deno.readTextFile(join(out, "table.md")), /^\| small \| 2 \| control/m);
    assert.match((await run(0, [])).stdout, /^2 cells of 2 finished before$/m);
  }));

Deno.test("table --on slurm: what is no cluster, and flags that don't go together", async () => {
  const elsewhere = { env: { PATH: "/nowhere" } };
  await inFolder(async (root) => {
    const { code, stderr } = await cli(["table", "--on", "slurm", "--out", root], elsewhere);
    assert.match(stderr, /^error: there is no scontrol on this machine: Slurm is not installed/);
    assert.equal(code, ExitCode.failure);
  });
  await inFolder(async (root) => {
    // As where Slurm is installed and not set up.
    const scontrol = `#!/bin/sh
      echo "scontrol: error: fetch_config: DNS SRV lookup failed" >&2
      echo "scontrol: fatal: Could not establish a configuration source" >&2; exit 1`;
    await Deno.writeTextFile(join(root, "scontrol"), scontrol, { mode: 0o755 });
    const env = { PATH: [root, Deno.env.get("PATH")].join(delimiter) };
    const out = join(root, "table");
    const { code, stderr } = await cli(["table", "--on", "slurm", "--dry-run", "--out", out], {
      env,
    });
    assert.match(stderr, /^error: no controller of Slurm answers this machine\nhint: .*\n$/);
    assert.equal(code, ExitCode.failure);
  });
  const wrong = (message: RegExp, ...flags: string[]) =>
    fail(ExitCode.usage, message, "table", ...flags);
  await wrong(/--gres has no effect without --on slurm/, "--on", "local", "--gres", "gpu:1");
  const on = ["--on", "slurm"];
  await wrong(/--sbatch can't hold --array, which/, ...on, "--sbatch=--mem=1G --array=0-3");
  await wrong(/--dry-run is one of .* don't go together/, ...on, "--detach", "--dry-run");
  await wrong(/--retries has no effect where .* not wait/, ...on, "--detach", "--retries", "3");
});

Deno.test("study sweep --on slurm: shown, submitted seed by seed, looked at, stopped, gone on with", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const slurm = fakeSlurm(root);
    const env = { ...slurm.env, PATH: [dirname(Deno.execPath()), slurm.env.PATH].join(delimiter) };
    const out = join(root, "sweep");
    const sweep = [
      ...["study", "sweep", "--data", "mnist", "--data-dir", root, "--batch", "32"],
      ...["--epochs", "1", "--treat-epochs", "1", "--width", "0.25", "--alpha", "0.5,2"],
    ];
    const run = async (code: number, flags: string[], also: Surroundings = {}) => {
      const output = await cli([...flags, "--on", "slurm"], { env, ...also });
      assert.equal(output.code, code, output.stdout + output.stderr);
      return output.stdout;
    };
    const begin = [...sweep, "--out", out];
    const shown = await run(0, [...begin, "--dry-run", "--gres", "gpu:1"]);
    assert.match(shown, /^#SBATCH --gres=gpu:1$/m);
    assert.match(shown, / study sweep --resume \S+\/sweep --cell "\$cell" &$/m);
    await assert.rejects(Deno.stat(out), Deno.errors.NotFound, "nothing is made");

    slurm.hold(true);
    const submitted = await run(0, [...begin, "--detach"]);
    assert.match(submitted, /^job 100: 1 cell submitted$/m);
    assert.match(submitted, /^cells that others come before are submitted when those are done/m);
    const on = ["study", "sweep", "--resume", out];
    const told = await run(0, [...on, "--status"]);
    assert.match(told, /^3 cells: 0 finished, 0 running, 1 waiting, 0 ended, 2 not submitted$/m);
    slurm.cancel(100);
    assert.match(await run(0, [...on, "--status"]), /^cell 1 of 3: baseline .*: was cancelled$/m);

    slurm.hold(false);
    const at = /^cell 1 of 3: baseline and control, seed 0: finished \(1 of 3\)$/m;
    const stopped = await run(ExitCode.interrupted, [...on, "--poll", "1"], {
      interrupt: { at, signal: "SIGINT" },
    });
    assert.match(stopped, /^stopped waiting; the jobs go on, and the same command/m);
    const printed = await run(0, [...begin, "--poll", "1"]);
    assert.match(printed, /^cell [23] of 3: alpha .*, seed 0: finished \(3 of 3\)$/m);
    assert.match(printed, /^written to .*sweep\.json$/m);
    const cells = slurm.asked("sbatch").map((line) => /--array=(\S+)/.exec(line)![1]);
    assert.deepEqual(cells.slice(0, 2), ["0", "0"], "what the others begin with comes first");

    const here = join(root, "here");
    await succeed(...sweep, "--out", here);
    const [one, other] = await Promise.all([here, out].map(contentsOf));
    for (const name of ["sweep.csv", "sweep.json", "sweep.alpha.svg"]) {
      assert.equal(other.get(name), one.get(name), name);
    }
    assert.match(await run(0, on), /^3 cells of 3 finished before$/m);
  }));
