/** The parts of an examination that need no command: verdicts, predictions, PyTorch's part. */

import assert from "node:assert/strict";
import { join } from "node:path";
import type { Certificate, Part } from "../engine/certify/certificate.ts";
import { verdictOf } from "../engine/certify/certificate.ts";
import { CONVOLUTION_SHARE, predictedMs, predictedShares } from "../engine/certify/prediction.ts";
import { trajectory } from "../engine/certify/trajectory.ts";
import { ExitCode } from "../engine/errors.ts";
import type { Gpu } from "../engine/gpu/adapter.ts";
import { NotHere, type Session } from "../cli/certify/part.ts";
import { pytorchPart } from "../cli/certify/pytorch.ts";
import { PAPER_MODELS, partsFor } from "../cli/certify/parts.ts";
import { stageArgs, treatedLayer } from "../cli/certify/steps.ts";
import { constraintOf } from "../cli/constraint_flags.ts";
import { openMadeUp } from "../cli/profile/stage.ts";
import { checkConstraint } from "../engine/doctor/penalty.ts";
import { classifiers } from "../models/registry.ts";
import { inFolder } from "./support/io.ts";
import { freshRuntime, tinyNet, tinySet } from "./support/train.ts";

const roofline: Part = {
  ...{ kind: "roofline", name: "roofline", seconds: 1, gflops: 1000, gbPerSecond: 100 },
  ...{ wrong: [], remarkable: ["slow"] },
};
const failed: Part = {
  ...{ kind: "failed", name: "steps of vgg16", seconds: 1, wrong: ["no memory"], remarkable: [] },
  exitCode: ExitCode.gpu,
};

Deno.test("certify: a verdict is PASS, or what is wrong, with the code of that", () => {
  const skipped = [{ name: "tune", why: "no time" }];
  const right = verdictOf({ parts: [roofline], skipped });
  assert.equal(right.line, "PASS (1 part; left out: tune)");
  assert.deepEqual([right.exitCode, right.remarkable], [ExitCode.ok, ["roofline: slow"]]);

  const lacking = verdictOf({ parts: [roofline, failed], skipped: [] });
  assert.equal(lacking.line, "WRONG in 1 (2 parts)");
  assert.deepEqual(lacking.wrong, ["steps of vgg16: no memory"]);
  assert.equal(lacking.exitCode, ExitCode.gpu);

  const mistaken = verdictOf({ parts: [failed, { ...roofline, wrong: ["x"] }], skipped: [] });
  assert.equal(mistaken.exitCode, ExitCode.failure);
  assert.equal(verdictOf({ parts: [], skipped }).exitCode, ExitCode.failure);
});

Deno.test("certify: each of the method's networks can be treated where it is certified", async () => {
  for (const model of PAPER_MODELS) {
    const args = stageArgs(model, "treat", { batch: 2, width: 0.5 });
    const { set, network, entry: { featureLayer } } = await openMadeUp(args);
    const layer = [treatedLayer(network, featureLayer, [set.height, set.width, set.channels])];
    checkConstraint(network, set, constraintOf({ ...args, layer }, network, set, featureLayer));
  }
});

Deno.test("certify: a kernel takes what its operations, its bytes or its dispatch takes", () => {
  const machine = { gflops: 1000, gbPerSecond: 100, dispatchUs: 5 };
  const kernel = (operation: string, flops: number, bytes: number, calls = 1) => ({
    ...{ operation, flops, bytes, calls, ms: 9 },
  });
  const shares = predictedShares([
    kernel("conv2d", 2e9, 1e6), // 2 ms at the peak
    kernel("conv2dInputGrad", 1e8, 4e8), // 4 ms of bytes
    kernel("sum", 1e6, 3e8), // 3 ms of bytes
    kernel("pointwise", 10, 100),
    kernel("copy to texture", 0, 100, 3),
  ], machine);
  const byKind = new Map(shares.map((share) => [share.kind, share]));
  const near = (kind: string, ms: number, dispatches: number) => {
    const share = byKind.get(kind)!;
    assert.ok(Math.abs(share.predictedMs - ms) < 1e-9, `${kind}: ${share.predictedMs}`);
    assert.equal(share.dispatches, dispatches);
  };
  near("convolutions", 2 / CONVOLUTION_SHARE + 4, 2);
  near("sums and pointwise", 3, 1);
  near("tiny kernels", 0.02, 4);
  assert.equal(byKind.get("convolutions")!.measuredMs, 18);
  assert.ok(Math.abs(predictedMs(shares) - (2 / CONVOLUTION_SHARE + 7.02)) < 1e-9);
});

Deno.test("certify: the losses of steps are those of the same steps in float64", async () => {
  const runtime = await freshRuntime();
  const options = { batch: 4, seed: 3, momentum: 0.9, weightDecay: 1e-3, steps: 3, lr: 0.05 };
  const told: number[] = [];
  const losses = await trajectory(
    runtime,
    tinyNet(1, 0),
    tinySet,
    options,
    (done) => told.push(done),
  );
  assert.deepEqual(told, [1, 2, 3]);
  for (const { here, float64 } of losses) assert.ok(Math.abs(here / float64 - 1) < 1e-4);
  const distinct = new Set(losses.map(({ here }) => here));
  assert.equal(distinct.size, 3, "the network is not trained");
  runtime.destroy();
});

Deno.test("certify: all 17 models there are, what matters most first", () => {
  const known = new Set(classifiers.map(({ name }) => name));
  assert.equal(new Set(PAPER_MODELS).size, 17);
  assert.ok(PAPER_MODELS.every((model) => known.has(model)));
  const names = (kinds: readonly string[], models: readonly string[]) =>
    partsFor(kinds, models).map(({ name }) => name);
  assert.deepEqual(names(["faces", "steps", "operations"], ["small", "resnet50"]), [
    ...["operations", "roofline", "dispatch"],
    ...["steps of resnet50", "faces of resnet50", "steps of small"],
  ]);
  assert.deepEqual(names(["tune"], ["small", "vgg11"]), ["tune small"]);
});

/** Runs with nothing on the PATH but a folder, in which `python3` is what is given. */
async function withPython(program: string | undefined, work: () => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const before = Deno.env.get("PATH")!;
    if (program !== undefined) {
      const path = join(folder, "python3");
      await Deno.writeTextFile(path, `#!/bin/sh\n${program}\n`);
      await Deno.chmod(path, 0o755);
    }
    Deno.env.set("PATH", folder);
    try {
      await work();
    } finally {
      Deno.env.set("PATH", before);
    }
  });
}

const work = { kind: "face", face: "forward" };
const face = {
  ...{ name: "conv", class: "3x3", face: "forward", ms: 2, gflops: 1, ofPeak: 0.5, flops: 1e6 },
  ...{ ofAchievable: 0.5, error: 1e-7, work },
};
const parts: Certificate["parts"] = [{
  ...{ kind: "faces", name: "faces of small", seconds: 1, wrong: [], remarkable: [] },
  ...{ model: "small", batch: 8, faces: [face] },
}];
const session: Session = {
  ...{ gpu: { isCpu: false } as Gpu, batch: 8, width: 1, certificate: { parts } },
  ...{ signal: new AbortController().signal, progress: () => {} },
};

Deno.test({
  name: "certify: PyTorch is left out where there is none, or no GPU for it",
  ignore: Deno.build.os === "windows",
  async fn() {
    const run = () => pytorchPart.run(session);
    const isNotHere = (why: RegExp) => (error: unknown) =>
      error instanceof NotHere && why.test(error.message);
    await withPython(undefined, () => assert.rejects(run, isNotHere(/there is no python3/)));
    await withPython(
      "echo 'ModuleNotFoundError: No module named torch' >&2; exit 1",
      () => assert.rejects(run, isNotHere(/no torch with a GPU: ModuleNotFoundError/)),
    );
  },
});

Deno.test({
  name: "certify: PyTorch's figures stand beside those of the same work",
  ignore: Deno.build.os === "windows",
  async fn() {
    const result = { group: "convolution: forward", name: "conv", work, engine: "PyTorch" };
    const answer = JSON.stringify({ results: [{ ...result, seconds: 0.001, rounds: [0.001] }] });
    const program = `[ "$1" = -c ] && echo A GPU || echo '${answer}'`;
    await withPython(program, async () => {
      const found = await pytorchPart.run(session);
      assert.ok(found.kind === "pytorch");
      assert.equal(found.adapter, "A GPU");
      assert.deepEqual(found.pairs, [
        { group: "convolution: forward", name: "conv", engine: "PyTorch", ms: 2, theirMs: 1 },
      ]);
    });
    await withPython(
      '[ "$1" = -c ] || exit 1',
      () => assert.rejects(() => pytorchPart.run(session), /PyTorch ended early/),
    );
  },
});

Deno.test("certify: PyTorch's script is Python", async () => {
  const script = new URL("../cli/bench/pytorch.py", import.meta.url).pathname;
  const args = ["-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())", script];
  const { success, stderr } = await new Deno.Command("python3", { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});
