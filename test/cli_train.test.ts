/** `train`, `eval` and `diagnose` as a user runs them, one after the other. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import { decodeNpy } from "../engine/io/npy.ts";
import { decodeSafetensors } from "../engine/io/safetensors.ts";
import { readWeights } from "../engine/io/weights.ts";
import { cli, fail, succeed, writeMnist } from "./support/cli.ts";
import { inFolder, namesIn } from "./support/io.ts";
import { sameState } from "./support/train.ts";

Deno.test("train, eval, diagnose", () =>
  inFolder(async (root) => {
    await writeMnist(root);
    const data = ["--data", "mnist", "--data-dir", root];
    const folder = join(root, "run");
    const weights = join(folder, "model.safetensors");

    // Interrupted in the first epoch, resumed, and asked to go on although it is finished.
    const train = ["train", ...data, "--epochs", "3", "--batch", "32", "--format", "pth"];
    const stopped = await cli([...train, "--out", folder], {
      interrupt: { at: /^training: /m, signal: "SIGINT" },
    });
    assert.equal(stopped.code, ExitCode.interrupted, stopped.stderr);
    assert.ok(!namesIn(folder).includes("model.safetensors"));
    const printed = await succeed("train", "--resume", folder);
    assert.match(printed, /^epoch 3\/3 +160 .*loss .*val acc/m);
    const best = printed.match(/^best epoch \d: validation accuracy ([\d.]+) %$/m)!;
    assert.ok(Number(best[1]) > 50, "it learns the bars");
    assert.deepEqual(namesIn(folder), [
      "SHA256SUMS",
      ...["account.json", "config.json", "metrics.jsonl", "model.pth", "model.safetensors"],
      "tensorboard",
    ]);
    const bytes = await Deno.readFile(weights);
    assert.match(await succeed("train", "--resume", folder), /^training: finished before$/m);
    assert.deepEqual(await Deno.readFile(weights), bytes);

    assert.deepEqual(await readWeights(join(folder, "model.pth")), await readWeights(weights));
    assert.match(printed, /\/run\/model\.pth$/m);

    const evaluate = ["eval", ...data, "--weights", weights];
    const facts = JSON.parse(await succeed(...evaluate, "--json"));
    assert.equal(facts.test.total, 60);
    const correct = facts.classes.reduce(
      (sum: number, c: { images: number; accuracy: number }) => sum + c.images * c.accuracy,
      0,
    );
    assert.ok(Math.abs(correct - facts.test.correct) < 1e-9);
    const table = await succeed(...evaluate, "--batch", "7");
    const share = (100 * facts.test.accuracy).toFixed(2);
    assert.match(table, /^model +small, .*\ndata +mnist: [^]*^adapter /m);
    assert.ok(table.includes(`accuracy ${share} % (${facts.test.correct} of 60; 95 % interval`));
    const limited = JSON.parse(await succeed(...evaluate, "--json", "--limit", "10"));
    assert.deepEqual(limited.classes.map((c: { images: number }) => c.images), Array(10).fill(1));

    const out = join(root, "diagnosis");
    const found = await succeed(
      ...["diagnose", ...data, "--weights", weights, "--layer", "convs,input", "--out", out],
    );
    const layers = ["features.0", "features.4", "features.8", "input"];
    assert.deepEqual(
      namesIn(out),
      [
        ...layers.flatMap((l) => [`aggregate.${l}.npy`, `mask.${l}.npy`]),
        ...[
          "account.json",
          "config.json",
          "diagnosis.json",
          "exhibits.json",
          "exhibits.safetensors",
          "findings.json",
        ],
        ...["report.html", "sift.json"],
      ].sort(),
    );
    assert.match(found, /^model +small, .*\ndata +mnist: [^]*^adapter +.*\nfolder +/m);
    assert.match(found, /by 20 validation images, of which [\d.]+ % are\s+classified right/);
    assert.match(found, /^unknown +a shortcut over the background: neither masks/m);
    for (const layer of layers) assert.match(found, new RegExp(`^${layer}$`, "m"));
    const mask = decodeNpy(Deno.readFileSync(join(out, "mask.features.8.npy")), "mask");
    const row = found.slice(found.indexOf("features.8\n")).match(/^ *0 +(\d+) of 128\b/m)!;
    const own = mask.data.slice(0, 128).filter((value) => Number(value) === 1);
    assert.equal(Number(row[1]), own.length);

    const report = Deno.readTextFileSync(join(out, "report.html"));
    for (const layer of layers) assert.ok(report.includes(`<h3>${layer}</h3>`), layer);
    await succeed("report", out);
    assert.equal(Deno.readTextFileSync(join(out, "report.html")), report);

    const other = [...evaluate, "--model", "alexnet"];
    await fail(
      ExitCode.weights,
      /does not fit this model:\n(.*\n)*.*features\.0\.weight/,
      ...other,
    );
    const treat = ["treat", ...data, "--weights", weights, "--out", join(root, "treated")];
    await fail(ExitCode.weights, /does not fit this model/, ...treat, "--model", "alexnet");
    await Deno.truncate(weights, bytes.length - 1000);
    await fail(ExitCode.weights, /model\.safetensors.*\n?.*truncated/, ...evaluate);
    await fail(ExitCode.weights, /model\.safetensors/, ...treat);
    await Deno.writeTextFile(weights, "not a model");
    await fail(ExitCode.weights, /model\.safetensors/, ...treat);
    assert.ok(!namesIn(root).includes("treated"), "nothing was written");
    await Deno.writeFile(weights, bytes);
    const epochs = ["--treat-epochs", "1", "--limit", "20"];
    const treated = await succeed(...treat, ...epochs);
    assert.match(treated, /weights from .*model\.safetensors/);
    assert.match(treated, /^control: 1 epoch of 10 images/m);
    const [given, copied] = [weights, join(root, "treated", "baseline.safetensors")].map((path) =>
      decodeSafetensors(Deno.readFileSync(path), path).tensors
    );
    sameState(given, copied);
  }));
