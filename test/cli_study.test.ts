/** `study` as a user runs it. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import { lockFolder, unlockFolder } from "../engine/run/lock.ts";
import { cli, fail, succeed, writeMnist } from "./support/cli.ts";
import { inFolder, namesIn } from "./support/io.ts";

const json = (folder: string, name: string) =>
  JSON.parse(Deno.readTextFileSync(join(folder, name)));
const lines = (folder: string, name: string) =>
  Deno.readTextFileSync(join(folder, name)).trimEnd().split("\n");

Deno.test("study correlation and noise: tables, JSON, CSV and pictures", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const data = ["--data", "mnist", "--data-dir", root, "--batch", "30"];
    await succeed("train", ...data, "--epochs", "2", "--lr", "0.05", "--out", join(root, "model"));
    const given = [...data, "--weights", join(root, "model", "model.safetensors")];

    const correlation = join(root, "correlation");
    const printed = await succeed("study", "correlation", ...given, "--out", correlation);
    assert.match(printed, /^features\.8 +128 +\d+\.\d %/m);
    const pictures = ["0", "4", "8"].flatMap((n) =>
      ["heat", "overlap"].map((kind) => `${kind}.features.${n}.svg`)
    );
    for (const name of [...pictures, "layers.svg", "mask.features.0.npy"]) {
      assert.ok(namesIn(correlation).includes(name), name);
    }
    const found = json(correlation, "correlation.json");
    assert.equal(found.version, 1);
    assert.deepEqual(found.layers.map((of: { channels: number }) => of.channels), [32, 64, 128]);
    assert.equal(found.layers[0].responses.length, 10);
    assert.equal(lines(correlation, "correlation.csv").length, 4);

    const noise = join(root, "noise");
    const options = ["--levels", "1,2", "--draws", "2", "--images-per-class", "2"];
    const curves = await succeed(
      ...["study", "noise", ...given, ...options, "--pgd-steps", "2", "--out", noise],
    );
    assert.match(curves, /^attacks of 8\/255 that succeed: FGSM .* %, PGD .* %$/m);
    assert.match(curves, /^normal +\d+ +100\.0 %/m);
    assert.deepEqual(namesIn(noise), [
      ...[
        "account.json",
        "accuracy.features.svg",
        "config.json",
        "noise.csv",
        "noise.json",
        "unchanged.features.svg",
      ],
    ]);
    assert.equal(json(noise, "noise.json").layers[0].kinds.length, 5);
  }));

Deno.test("study sweep: stops, goes on by several processes, and still is what one makes", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const folder = join(root, "sweep");
    const data = ["--data", "mnist", "--data-dir", root, "--batch", "32"];
    const run = ["study", "sweep", ...data, "--epochs", "1", "--treat-epochs", "1"];
    const grid = ["--alpha", "0.5,2"];
    const two = [...run, ...grid, "--seeds", "2", "--out", folder];
    const at = /^cell 3 of 6: alpha 2, seed 0$/m;
    const { code, stdout } = await cli(two, { interrupt: { at, signal: "SIGINT" } });
    assert.equal(code, ExitCode.interrupted);
    assert.match(stdout, /^stopped; continue with: deno task study sweep --resume /m);
    const printed = await succeed(...two, "--on", "local", "--jobs", "2");
    assert.match(printed, /^cell 2 of 6: .* seed 0: finished elsewhere or before \(\d of 6\)$/m);
    assert.match(printed, /^cell 3 of 6: alpha 2, seed 0: begun$/m);
    const [begun, done] = ["5 of 6: .*: begun", "4 of 6: baseline and .*: finished"]
      .map((line) => printed.search(new RegExp(`^cell ${line}`, "m")));
    assert.ok(begun > done && done > 0, "combinations wait for what they begin with");
    assert.match(printed, /treated minus control in points, on the validation split .*2 seeds/);
    const { cells, seeds, version } = json(folder, "sweep.json");
    assert.deepEqual([cells.length, seeds, version], [2, [0, 1], 3]);
    const gains = cells.map((of: { accuracy: { mean: number } }) => of.accuracy.mean);
    assert.deepEqual(gains, [...gains].sort((a, b) => b - a));
    assert.equal(lines(folder, "sweep.csv").length, 3);
    const files = namesIn(folder).filter((name) => name.endsWith(".svg"));
    assert.deepEqual(files, ["sweep.alpha.svg"]);

    const part = join(folder, "seed-0");
    await lockFolder(part);
    const alone = ["study", "sweep", "--resume", folder];
    await fail(ExitCode.io, /in use by processes that are at 1 cell\n.*--on local/, ...alone);
    await unlockFolder(part);

    const here = join(root, "here");
    await succeed(...run, ...grid, "--seed", "1", "--out", here);
    for (const { name } of Deno.readDirSync(join(here, "cells"))) {
      const [{ seconds: _, ...one }, { seconds: __, ...other }] = [folder, here]
        .map((of) => json(join(of, "cells", name), "cell.json"));
      assert.deepEqual(one, other);
    }
    const on = ["--on", "slurm", "--status"];
    await fail(ExitCode.usage, /no folder|none is named/, "study", "sweep", ...on);
    const changed = ["--alpha", "3", "--out", folder, "--cell", "1"];
    await fail(ExitCode.usage, /--alpha 3 contradicts the run in/, "study", "sweep", ...changed);
    const none = ["--resume", folder, "--on", "kubernetes"];
    await fail(ExitCode.usage, /--on kubernetes needs --claim/, "study", "sweep", ...none);
  }));

Deno.test("study: its own list, unknown names, mistakes before anything is written", async () => {
  const list = await succeed("study");
  for (const name of ["correlation", "noise", "sweep"]) {
    assert.match(list, new RegExp(`^ {2}study ${name} `, "m"));
  }
  assert.match(
    await succeed("study", "noise", "--help"),
    /^Usage: deno task study noise \[flags\]$/m,
  );
  await fail(
    ExitCode.usage,
    /unknown command "study nose"; did you mean deno task study noise\?/,
    ...["study", "nose"],
  );
  await fail(ExitCode.usage, /--weights is missing/, "study", "noise");
  await fail(
    ExitCode.usage,
    /every --alpha and --beta 0 there is nothing to compare/,
    ...["study", "sweep", "--alpha", "0", "--beta", "0"],
  );
  await fail(
    ExitCode.usage,
    /--form has no choice "papre"; did you mean paper\?/,
    "study",
    "sweep",
    "--form",
    "papre",
  );
  for (const layers of ["features+features", "features+", "last,features+features"]) {
    await fail(
      ExitCode.usage,
      /--layer joins different names by \+, not /,
      ...["study", "sweep", "--layer", layers],
    );
  }
});

Deno.test("study findings: plants a fault, tells what was found, and goes on", () =>
  inFolder(async (root) => {
    const folder = join(root, "findings");
    const small = ["--images", "200", "--epochs", "1", "--width", "0.1", "--faults", "none"];
    const seeds = ["--seed", "3", "--seeds", "1", "--out", folder];
    const printed = await succeed("study", "findings", ...small, ...seeds);
    assert.match(printed, /^none, seed 3: [\d.]+ % right; found: /m);
    assert.match(printed, /^planted +cases +shortcut +labels/m);
    assert.deepEqual(namesIn(folder), ["config.json", "none-3.findings.json", "planted.json"]);
    const { cases, tallies } = json(folder, "planted.json");
    assert.equal(cases.length, 1);
    assert.deepEqual(tallies.map((of: { absent: number }) => of.absent), [1, 1, 1, 1, 1]);
    const again = await succeed("study", "findings", "--resume", folder);
    const tables = [printed, again].map((text) => text.slice(text.indexOf("planted  ")));
    assert.equal(tables[1], tables[0]);
    assert.doesNotMatch(again, /^none, seed 3/m);
  }));
