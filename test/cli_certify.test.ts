/** certify from end to end, at its smallest. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { partsOf, readCertificate } from "../engine/certify/certificate.ts";
import { ExitCode } from "../engine/errors.ts";
import { cli, fail, succeed } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";

const tiny = ["--models", "small", "--width", "0.125"];

Deno.test("certify: a certificate, gone on with, with nothing done twice", () =>
  inFolder(async (folder) => {
    const at = [...tiny, "--out", folder, "--batch"];
    const kinds = ["roofline", "dispatch", "steps", "faces", "tune"];
    const text = await succeed("certify", ...at, "2", "--parts", `${kinds}`);
    assert.match(text, /^steps of small +train [\d.e+]+ ms, treat [\d.e+]+ ms, eval/m);
    assert.match(text, /\nPASS \(5 parts\)\n$/);

    const path = join(folder, "certificate.json");
    const certificate = await readCertificate(path);
    const [{ stages }] = partsOf(certificate, "steps");
    assert.deepEqual(stages.map(({ stage }) => stage), ["train", "treat", "eval"]);
    for (const { ms, imagesPerSecond, memory, predictedMs, finite, shares } of stages) {
      assert.ok(finite && memory > 0 && predictedMs > 0);
      assert.ok(Math.abs(imagesPerSecond * ms / 2000 - 1) < 1e-9);
      assert.ok(shares.every(({ measuredMs, dispatches }) => measuredMs > 0 && dispatches > 0));
    }
    const [{ faces }] = partsOf(certificate, "faces");
    assert.equal(faces.length, 9);
    assert.ok(faces.every(({ ms, error }) => ms > 0 && error < 1e-5));
    const [{ classes }] = partsOf(certificate, "tune");
    assert.ok(classes.length > 0 && classes.every(({ ms, untunedMs }) => ms <= untunedMs));

    const page = await Deno.readTextFile(join(folder, "certificate.html"));
    assert.match(page, /<strong>PASS \(5 parts\)<\/strong>/);
    assert.match(page, /small, treat/);

    const begun = performance.now();
    const again = await succeed(
      "certify",
      ...at,
      "2",
      "--parts",
      `${kinds},operations`,
      "--minutes=0.01",
    );
    assert.ok(performance.now() - begun < 20000);
    assert.equal(again.match(/done before$/gm)!.length, 5);
    assert.match(again, /^operations +left out: it takes 10 s, and 0 are left$/m);
    assert.match(again, /\nPASS \(5 parts; left out: operations\)\n$/);
    assert.deepEqual((await readCertificate(path)).parts, certificate.parts);

    await fail(
      ExitCode.usage,
      /holds a certificate with another batch: 2, and now it is 3/,
      ...["certify", ...at, "3"],
    );
  }));

Deno.test("certify: a kernel that computes something else is found, and named", () =>
  inFolder(async (folder) => {
    const args = ["certify", ...tiny, "--out", folder, "--parts", "convolutions"];
    const { code, stdout, stderr } = await cli(args, {
      preload: new URL("support/wrong_kernel.ts", import.meta.url),
      env: { WRONG_KERNEL: "3x3/1 weight gradient" },
    });
    assert.equal(code, ExitCode.failure, stdout + stderr);
    const named = "convolutions: conv2d(x, w, {padding: 1}) of x 2x12x12x16, w 3x3x16x32";
    assert.ok(stdout.replace(/\s+/g, " ").includes(`wrong ${named} (kernels: adapter) is off by`));
    assert.match(stdout, /\nWRONG in \d+ \(1 part\)\n$/);
    const { parts } = await readCertificate(join(folder, "certificate.json"));
    const [{ checks, wrong }] = partsOf({ parts }, "operations");
    assert.ok(checks.length > 20 && wrong.length > 0 && wrong.length < checks.length / 2);
    // The faces that are not wrong are not blamed.
    assert.ok(wrong.every((text) => !/stride|dilation|conv2d\(x, w\) /.test(text)));
  }));

Deno.test("certify: a width that a model does not have", async () => {
  const wide = ["--models", "small,shufflenetv2", "--width", "0.3"];
  await fail(ExitCode.usage, /shufflenetv2 does not come 0.3 times as wide/, "certify", ...wide);
});

const slow = Deno.env.has("MODEL_DOCTOR_SLOW");
Deno.test({
  name: `certify: a treatment${slow ? "" : " (skipped: set MODEL_DOCTOR_SLOW=1)"}`,
  ignore: !slow,
  fn: () =>
    inFolder(async (folder) => {
      await succeed("certify", ...tiny, "--out", folder, "--parts", "treat");
      const [found] = partsOf(await readCertificate(join(folder, "certificate.json")), "treat");
      const [{ here, float64 }] = found.losses;
      assert.ok(Math.abs(here / float64 - 1) < 1e-5);
      const stages = found.epochs.map(({ stage }) => stage);
      assert.deepEqual(stages, ["baseline", "control", "treated", "placebo"]);
    }),
});
