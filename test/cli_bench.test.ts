/** bench from end to end, at its smallest. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import { fail, succeed } from "./support/cli.ts";
import { assertFits } from "./support/fits.ts";
import { inFolder } from "./support/io.ts";
import { pythonWithTorch, torchNote } from "./support/python.ts";

const tiny = ["--models", "small", "--step-batch", "2", "--rounds", "1", "--window", "1"];

Deno.test("bench: what is wrong with the flags, and with a file", () =>
  inFolder(async (folder) => {
    const { usage, io } = ExitCode;
    await fail(
      usage,
      /--window must be a number \(above 0 and at most 60000\)/,
      "bench",
      "--window",
      "0",
    );
    await fail(
      usage,
      /there is no model resnet35; did you mean/,
      "bench",
      "--models",
      "resnet35",
    );
    const path = join(folder, "results.json");
    await fail(io, /results\.json/, "bench", "--compare", path);
    await Deno.writeTextFile(path, '{"results": [{"engine": "x", "seconds": 0}]}');
    await fail(
      io,
      /results\.json is no file of results: its results\.0\.group is missing/,
      "bench",
      "--compare",
      path,
    );
  }));

Deno.test("bench: faces by the processor's time, on a software adapter", () =>
  inFolder(async (folder) => {
    await fail(
      ExitCode.usage,
      /--by-processor has no effect without --faces/,
      ...["bench", "--steps", "--by-processor"],
    );
    const path = join(folder, "ours.json");
    const work = ["--models", "small", "--batch", "1", "--rounds", "1", "--window", "1"];
    await succeed("bench", "--faces", "--by-processor", ...work, "--device", "cpu", "--json", path);
    const { results } = JSON.parse(await Deno.readTextFile(path));
    assert.equal(results.length, 9);
    for (const { name, seconds } of results) {
      // Whole microseconds, as the system counts them, over repeats.
      assert.ok(seconds > 1e-7 && seconds < 10, `${name}: ${seconds} s`);
    }
  }));

Deno.test("bench: faces and steps, checked and timed, beside others' figures", (t) =>
  inFolder(async (folder) => {
    const path = join(folder, "ours.json");
    const flags = ["--faces", "--steps", "--batch", "1", ...tiny, "--json", path];
    const shown = await succeed("bench", ...flags);
    assertFits(shown);
    const report = JSON.parse(await Deno.readTextFile(path));
    const faces = report.results.filter((r: { face?: string }) => r.face);
    assert.equal(faces.length, 9);
    for (const face of faces) {
      assert.ok(face.error < 1e-5, `${face.name} is off by ${face.error}`);
      // Equal where arithmetic bounds it, but for rounding.
      assert.ok(face.ofAchievable > 0.999 * face.ofPeak && face.ofPeak > 1e-5, face.name);
      // On a busy machine the peak may be measured in a bad moment, but not by two orders.
      assert.ok(face.ofPeak < 100, `${face.name} is faster than multiply-adds`);
      assert.ok(Math.abs(face.gflops / report.roofline.gflops / face.ofPeak - 1) < 1e-9);
    }
    const [plain, treated] = report.results.slice(9);
    assert.deepEqual([plain.group, treated.group], ["plain step", "treat step"]);
    assert.ok(treated.error < 1e-4);
    const [summary] = report.summaries;
    assert.equal(summary.ratio, treated.seconds / plain.seconds);
    assert.match(
      shown,
      /^ *[\d.]+ x +.* too few rounds to tell +small: treat step over plain$/m,
    );

    await t.step("an earlier run", async () => {
      const text = await succeed("bench", "--steps", ...tiny, "--compare", path);
      assertFits(text);
      assert.match(text, /^there is .*ours\.json, here is this run$/m);
      assert.match(
        text,
        /^ *[\d.]+ +[\d.]+ +[\d.]+ x +[\d.]+ to [\d.]+ .* plain step, small, batch 2:$/m,
      );
      assert.match(text, /^ *1 +[\d.]+ x +.* too few rounds to tell +treat step: this engine$/m);
    });
    const ignore = pythonWithTorch === undefined;
    const name = `PyTorch at the same work${torchNote}`;
    await t.step({ name, ignore, fn: () => checkPyTorch(path, report.results) });
  }));

async function checkPyTorch(path: string, results: readonly { work: unknown }[]): Promise<void> {
  const script = new URL("../cli/bench/pytorch.py", import.meta.url).pathname;
  const settings = ["--device", "cpu", "--rounds", "2", "--window", "1"];
  const { success, stdout, stderr } = await new Deno.Command(pythonWithTorch!, {
    args: ["-W", "ignore", script, path, ...settings],
  }).output();
  const decoder = new TextDecoder();
  assert.ok(success, decoder.decode(stderr));
  const theirs = JSON.parse(decoder.decode(stdout)).results;
  assert.deepEqual(theirs.map((r: { work: unknown }) => r.work), results.map(({ work }) => work));
  for (const { seconds, engine } of theirs) {
    assert.ok(seconds > 0);
    assert.match(engine, /^PyTorch .* cpu, float32$/);
  }
}
