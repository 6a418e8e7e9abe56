/** `treat` as a user runs it: what it writes and prints, stops and resumptions, mistakes. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { mcnemar, pairedDifference, wilson } from "../engine/doctor/significance.ts";
import { givenFlags, withDefaults } from "../cli/framework/flags.ts";
import { checkRules } from "../cli/framework/rules.ts";
import { treatFlags } from "../cli/treat_flags.ts";
import { ExitCode } from "../engine/errors.ts";
import { decodeNpy } from "../engine/io/npy.ts";
import { decodeSafetensors } from "../engine/io/safetensors.ts";
import { cli, fail, succeed, writeMnist } from "./support/cli.ts";
import { canMount, mount, unmount } from "./support/mount.ts";
import { inFolder, namesIn } from "./support/io.ts";

const json = (folder: string, name: string) =>
  JSON.parse(Deno.readTextFileSync(join(folder, name)));
const records = (folder: string) =>
  Deno.readTextFileSync(join(folder, "metrics.jsonl")).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );

const STAGES = ["baseline", "control", "treated", "placebo"] as const;

/** Where the usual placebo is not what is looked at. */
const TWO_ARMS = ["--arms", "control,treated"];

Deno.test("treat on shapes: the run folder, result.json and the table", () =>
  inFolder(async (root) => {
    const folder = join(root, "run");
    const limits = ["--limit", "120", "--test-limit", "80", "--batch", "24"];
    const epochs = ["--epochs", "1", "--treat-epochs", "1"];
    const constraint = [
      ...["--beta", "0.1", "--layer", "last,features.0", "--space-layer", "input"],
      ...["--noise", "0.1", "--warmup", "0.5", "--course", "cosine", "--measure-images", "20"],
    ];
    const printed = await succeed(
      ...["treat", ...limits, ...epochs, ...constraint, "--out", folder],
    );

    assert.deepEqual(namesIn(folder), [
      "SHA256SUMS",
      "account.json",
      ...["aggregate.features.0.npy", "aggregate.features.8.npy", "baseline.safetensors"],
      ...["config.json", "control.safetensors", "exhibits.json", "exhibits.safetensors"],
      "findings.json",
      ...["mask.features.0.npy", "mask.features.8.npy", "metrics.jsonl", "placebo.safetensors"],
      ...["predictions.json", "report.html", "result.json", "sift.json", "tensorboard"],
      ...["treated.safetensors"],
    ]);
    assert.deepEqual(namesIn(join(folder, "tensorboard")), [...STAGES].sort());
    const config = json(folder, "config.json");
    assert.equal(config.command, "treat");
    assert.deepEqual([config.limit, config.beta, config.alpha], [120, 0.1, undefined]);
    assert.deepEqual(records(folder).map((r) => `${r.stage} ${r.epoch}`), [
      ...STAGES.map((stage) => `${stage} 1`),
    ]);

    const result = json(folder, "result.json");
    const { model, data, seed, parameters, constraint: { channel, space }, images } = result;
    assert.deepEqual([model, data, seed], ["small", "shapes", 0]);
    const schedule = { warmup: 0.5, course: "cosine" };
    const layers = ["features.8", "features.0"];
    assert.deepEqual(channel, { form: "paper", layers, schedule, weight: 0.1 });
    assert.deepEqual(space, { form: "share", layers: ["input"], schedule, weight: 0.1 });
    assert.equal(result.version, 3);
    assert.equal(result.classes.length, 10);
    const outcomes = { baseline: result.baseline, ...result.arms };
    const { treated, control } = result.arms;
    assert.deepEqual(Object.keys(treated.measures.probes), ["foreground", "fgsm", "noise"]);
    assert.equal(result.groups.length, treated.measures.groups.shares.length);
    assert.equal(images.train + images.validation, 120);
    assert.equal(images.test, 80);
    assert.ok(result.adapter.length > 0);
    for (const stage of STAGES) {
      const { accuracy, loss, correct, total, interval } = outcomes[stage].test;
      assert.equal(total, 80);
      assert.equal(accuracy, correct / total);
      assert.ok(loss > 0);
      assert.deepEqual(interval, [...wilson(correct, total)]);
      assert.ok(result.seconds[stage] > 0);
    }
    const [{ mcnemar: { b, c, p }, difference, interval }] = result.contrasts;
    assert.equal(c - b, treated.test.correct - control.test.correct);
    const list = (k: number) => [...Array(b).fill(k === 0), ...Array(c).fill(k === 1)];
    assert.equal(p, mcnemar(list(0), list(1)).p);
    assert.equal(difference, (c - b) / 80);
    assert.deepEqual(interval, [...pairedDifference({ b, c, p }, 80)]);

    const { tensors, metadata } = await weightsOf(folder, "treated");
    assert.equal(metadata.format, "pt");
    assert.deepEqual(tensors.get("features.0.weight")!.shape, [32, 3, 3, 3]);
    const trained = [...tensors].filter(([name]) => !/running|num_batches/.test(name));
    assert.equal(parameters, trained.reduce((sum, [, { data }]) => sum + data.length, 0));
    const mask = decodeNpy(Deno.readFileSync(join(folder, "mask.features.0.npy")), "mask");
    assert.deepEqual(mask.shape, [10, 32]);

    assert.match(printed, /^model +small, [\d,]+ parameters$/m);
    assert.match(printed, /^baseline: 1 epoch of \d+ images, learning rate 0\.01$/m);
    assert.match(printed, /^treated 1\/1 .*loss .*acc .*channel .*space[^]*?val acc \d/m);
    assert.match(printed, /^ +validation +test +loss +minus control \(95 %\) +p +step$/m);
    for (const stage of STAGES) {
      const accuracy = (100 * outcomes[stage].test.accuracy).toFixed(2);
      assert.match(printed, new RegExp(`^${stage} .* ${accuracy.replace(".", "\\.")} %`, "m"));
    }
    assert.match(printed, /^worst group +\d+\.\d\d % .*\d %$/m);
    assert.match(printed, /^gradients, FGSM and noise on 20 of the test images$/m);
    assert.match(printed, /^accuracy +[+-]\d+\.\d\d \(.* to .*\) +[+-]\d+\.\d\d \(/m);
    const words = printed.replaceAll(/\s+/g, " ");
    for (const sentence of result.verdict) assert.ok(words.includes(sentence), sentence);
    assert.match(words, /Treated minus control [+-]\d+\.\d\d \(.*\) points .*; minus placebo [+-]/);
  }));

Deno.test("report: made anew from a run's files alone, with the studies in its folder", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const folder = join(root, "run");
    const data = ["--data", "mnist", "--data-dir", root, "--batch", "32", ...TWO_ARMS];
    const epochs = ["--epochs", "1", "--treat-epochs", "1", "--measures", "none"];
    const printed = await succeed("treat", ...data, ...epochs, "--out", folder);
    const path = join(folder, "report.html");
    assert.match(printed, /written to .*run.report\.html$/m);
    const written = Deno.readTextFileSync(path);
    const { arms: { treated } } = json(folder, "result.json");
    assert.ok(written.includes(`${(100 * treated.test.accuracy).toFixed(2)}\u00a0%`));
    assert.match(written, /None was run/);
    assert.match(written, /--batch=32/);
    // The command in it can be given again, and says what defaults came to.
    const again = commandOf(written);
    assert.ok(again.includes("--alpha=0.1") && again.includes("--beta=0"), again.join(" "));
    const given = givenFlags(treatFlags, again.slice(again.indexOf("treat") + 1));
    checkRules(treatFlags, withDefaults(treatFlags, given), new Set(Object.keys(given)));

    // Anywhere, without the weights and the data.
    const moved = join(root, "moved");
    Deno.renameSync(folder, moved);
    for (const stage of ["baseline", "control", "treated"]) {
      Deno.removeSync(join(moved, `${stage}.safetensors`));
    }
    for (const name of namesIn(root)) if (name.endsWith(".gz")) Deno.removeSync(join(root, name));
    await succeed("report", moved);
    assert.equal(Deno.readTextFileSync(join(moved, "report.html")), written);

    const study = {
      ...{ version: 1, model: "small", data: "mnist", seed: 0, epsilon: 8, draws: 1 },
      success: { FGSM: 0.5 },
      layers: [{
        ...{ layer: "features", unit: 1 },
        kinds: [{
          ...{ kind: "normal", images: 7 },
          points: [{ level: 0, accuracy: 1, deviation: null, unchanged: 1 }],
        }],
      }],
    };
    const elsewhere = join(root, "elsewhere");
    for (const place of [join(moved, "noise"), elsewhere]) {
      Deno.mkdirSync(place);
      Deno.writeTextFileSync(join(place, "noise.json"), JSON.stringify(study));
    }
    await succeed("report", moved);
    const count = () =>
      [...Deno.readTextFileSync(join(moved, "report.html")).matchAll(/Feature noise, small/g)]
        .length;
    assert.equal(count(), 1);
    await succeed("report", moved, "--studies", elsewhere);
    assert.equal(count(), 2);

    await fail(ExitCode.usage, /DIR is missing/, "report");
    await fail(ExitCode.io, /holds no run/, "report", join(root, "nowhere"));
    await fail(ExitCode.io, /holds no study/, "report", moved, "--studies", root);
    Deno.removeSync(join(moved, "exhibits.json"));
    await fail(ExitCode.io, /cannot read .*exhibits\.json: there is no such file/, "report", moved);
    Deno.removeSync(join(moved, "result.json"));
    await fail(ExitCode.io, /no finished run.*\n.*--resume/, "report", moved);
  }));

/** The words of the command line in a report. */
function commandOf(page: string): string[] {
  const [, code] = page.match(/<pre><code>([^]*?)<\/code>/)!;
  return code.replaceAll(/<[^>]*>/g, " ").trim().split(/\s+/);
}

async function weightsOf(folder: string, stage: string) {
  const path = join(folder, `${stage}.safetensors`);
  return decodeSafetensors(await Deno.readFile(path), path);
}

Deno.test("a run that is interrupted or killed and resumed ends with the same bytes", () =>
  inFolder(async (root) => {
    await writeMnist(root, 100);
    const settings = [
      ...["--data", "mnist", "--data-dir", root, "--batch", "32", "--seed", "4"],
      ...["--measures", "fgsm", "--measure-images", "20", ...TWO_ARMS],
    ];
    const epochs = ["--epochs", "2", "--treat-epochs", "2"];
    const run = (folder: string) => ["treat", ...settings, ...epochs, "--out", folder];
    const whole = join(root, "whole");
    await succeed(...run(whole));
    const { seconds: _, ...wanted } = json(whole, "result.json");
    const same = (folder: string) => {
      assert.deepEqual(namesIn(folder), namesIn(whole));
      const { seconds: _, ...found } = json(folder, "result.json");
      assert.deepEqual(found, wanted);
      for (const name of namesIn(whole).filter((name) => /\.(npy|safetensors)$/.test(name))) {
        const [a, b] = [folder, whole].map((path) => Deno.readFileSync(join(path, name)));
        assert.deepEqual(a, b, name);
      }
    };

    const stopped = join(root, "stopped");
    const at = /^control: /m;
    const interrupted = await cli(run(stopped), { interrupt: { at, signal: "SIGINT" } });
    assert.equal(interrupted.code, ExitCode.interrupted, interrupted.stderr);
    assert.match(interrupted.stderr, /^error: interrupted \(SIGINT\)$/m);
    const advice = /^stopped; continue with: deno task (treat --resume .*)$/m;
    const continued = interrupted.stdout.match(advice)![1];
    assert.ok(!namesIn(stopped).some((name) => /^(control\.safe|result|.*partial)/.test(name)));
    assert.match(await succeed(...continued.split(" ")), /^baseline: finished before$/m);
    same(stopped);

    const killed = join(root, "killed");
    const { code } = await cli(run(killed), {
      interrupt: { at: /^control 1\/2 /m, signal: "SIGKILL" },
    });
    assert.ok(code > 128);
    assert.ok(namesIn(killed).some((name) => /^(control|treated)\.checkpoint/.test(name)));
    assert.ok(!namesIn(killed).includes("result.json"));
    await succeed("treat", "--resume", killed);
    same(killed);

    // What a run was begun with stays.
    await fail(
      ExitCode.usage,
      /--alpha 5 contradicts the run in .*killed, which was begun without --alpha/,
      ...["treat", "--resume", killed, "--alpha", "5"],
    );
    // What is named on the command line counts, be it the default; what isn't named doesn't.
    await fail(
      ExitCode.usage,
      /--seed 0 contradicts the run in .*killed, which was begun with --seed 4/,
      ...["treat", "--resume", killed, "--seed", "0"],
    );
    await succeed("treat", "--resume", killed, "--seed", "4", "--epochs", "2");
    await fail(ExitCode.usage, /config\.json is of no run of train/, "train", "--resume", killed);
    await fail(ExitCode.io, /is not empty: it holds .*\n.*--resume/, ...run(killed));
    await Deno.writeTextFile(join(killed, "config.json"), '{"command": "treat", "alpha": "x"}');
    await fail(
      ExitCode.io,
      /config\.json: --alpha must be a number/,
      ...["treat", "--resume", killed],
    );
    await Deno.writeTextFile(join(killed, "config.json"), "{");
    await fail(ExitCode.io, /config\.json is damaged/, "treat", "--resume", killed);
  }));

Deno.test("seeds: a run each, what they say together, resumption", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const data = ["--data", "mnist", "--data-dir", root, "--batch", "32", ...TWO_ARMS];
    const settings = ["--epochs", "1", "--treat-epochs", "1", "--measures", "none"];
    const run = (folder: string, ...more: string[]) => [
      ...["treat", ...data, ...settings, ...more, "--out", folder],
    ];
    const folder = join(root, "seeds");
    const more = ["--seeds", "2", "--seed", "7"];
    const at = /^seed 8, 2 of 2$/m;
    const { code } = await cli(run(folder, ...more), { interrupt: { at, signal: "SIGINT" } });
    assert.equal(code, ExitCode.interrupted);
    assert.ok(!namesIn(folder).includes("summary.json"));
    // As a kill between the result and the report leaves it.
    await Deno.remove(join(folder, "seed-7", "report.html"));
    const printed = await succeed("treat", "--resume", folder);
    assert.match(printed, /^seed 7, 1 of 2\n {2}finished before$/m);
    assert.ok(namesIn(join(folder, "seed-7")).includes("report.html"));
    assert.match(printed, /^2 seeds \(7, 8\)/m);
    assert.match(printed, /^treated +\d+\.\d\d \+- \d+\.\d\d +[+-]\d/m);
    assert.match(printed, /^accuracy +[+-]\d+\.\d\d/m);
    assert.deepEqual(namesIn(folder), [
      ...["account.json", "config.json", "report.html", "seed-7", "seed-8", "summary.json"],
    ]);

    const single = join(root, "single");
    await succeed(...run(single, "--seed", "8"));
    const { seconds: _, ...wanted } = json(single, "result.json");
    const { seconds: __, ...found } = json(join(folder, "seed-8"), "result.json");
    assert.deepEqual(found, wanted, "a seed's run is the run with that seed");
    const { seeds, metrics } = json(folder, "summary.json");
    assert.deepEqual(seeds, [7, 8]);
    assert.equal(metrics.accuracy.models.treated.values[1], wanted.arms.treated.test.accuracy);

    const damaged = join(folder, "seed-7", "result.json");
    await Deno.writeTextFile(damaged, '{"version": 0}');
    await fail(
      ExitCode.io,
      /result\.json is of version 0.*\n.*remove/,
      "treat",
      "--resume",
      folder,
    );
  }));

Deno.test("mistakes are found before anything is written", () =>
  inFolder(async (root) => {
    await writeMnist(root, 40);
    const data = ["treat", "--data", "mnist", "--data-dir", root];
    const out = join(root, "out");
    const into = [...data, "--out", out];
    await fail(
      ExitCode.usage,
      /unknown flag --alhpa; did you mean --alpha\?/,
      "treat",
      "--alhpa=1",
    );
    await fail(
      ExitCode.usage,
      /--alpha must be a number \(from 0 to 1000000\)/,
      "treat",
      "--alpha",
      "-1",
    );
    await fail(
      ExitCode.usage,
      /there is no layer lsat; did you mean last\?/,
      ...into,
      "--layer=lsat",
    );
    await fail(
      ExitCode.usage,
      /--measures has no choice "fsgm"; did/,
      ...into,
      "--measures",
      "fsgm",
    );
    await fail(ExitCode.method, /--beta\) needs to know .* no masks/, ...into, "--beta", "1");
    await fail(
      ExitCode.method,
      /constraint at conv10 is constant/,
      ...[...into, "--model", "squeezenet", "--layer", "last"],
    );
    await fail(ExitCode.io, /holds no run/, "treat", "--resume", out);
    await fail(ExitCode.weights, /cannot read .*none/, ...into, "--weights", join(root, "none"));

    await fail(ExitCode.data, /there is no folder/, "treat", "--data=mnist", `--data-dir=${out}`);
    await fail(
      ExitCode.data,
      /no train-images/,
      "treat",
      "--data=mnist",
      "--data-dir=/proc/self/fd",
    );
    assert.deepEqual(namesIn(root).filter((name) => !name.endsWith(".gz")), [], "nothing written");

    // A folder that can't be made, whoever asks.
    const file = join(root, "file");
    await Deno.writeTextFile(file, "");
    await fail(
      ExitCode.io,
      /the folder .*file.sub can't be made/,
      ...data,
      "--out",
      join(file, "sub"),
    );
    const images = join(root, "train-images-idx3-ubyte.gz");
    await Deno.truncate(images, 5000);
    await fail(ExitCode.data, /train-images-idx3-ubyte\.gz/, ...into);
  }));

Deno.test("a loss that is no number ends a run with its code and no weights", () =>
  inFolder(async (root) => {
    await writeMnist(root, 40);
    const folder = join(root, "run");
    const settings = ["--data", "mnist", "--data-dir", root, "--epochs", "60", "--out", folder];
    await fail(
      ExitCode.diverged,
      /loss became \S+: it began with \S+ in .*, at step 1 of 1 in epoch \d+ of stage baseline/,
      ...["treat", ...settings, "--lr", "100", "--weight-decay", "1"],
    );
    assert.ok(!namesIn(folder).includes("baseline.safetensors"));
  }));

const mountNote = canMount ? "" : " (skipped: file systems can't be mounted here)";

Deno.test(`a full disk stops a run, which goes on when there is room${mountNote}`, {
  ignore: !canMount,
}, () =>
  inFolder(async (root) => {
    await writeMnist(root, 40);
    const disk = join(root, "disk");
    await Deno.mkdir(disk);
    mount(disk, "size=1m");
    try {
      const folder = join(disk, "run");
      const settings = ["--data", "mnist", "--data-dir", root, "--treat-epochs", "1", ...TWO_ARMS];
      const { stdout } = await fail(
        ExitCode.io,
        /cannot write .*disk.run.*: no space is left\nhint: Free some space/,
        ...["treat", ...settings, "--epochs", "1", "--out", folder],
      );
      assert.match(stdout, /^stopped; continue with: deno task treat --resume .*disk.run$/m);
      assert.deepEqual(namesIn(folder), ["account.json", "config.json"]);
      mount(disk, "remount,size=40m");
      await succeed("treat", "--resume", folder);
      assert.equal(json(folder, "result.json").arms.treated.test.total, 60);
    } finally {
      unmount(disk);
    }
  }));
