/** What is told of trainings before they are begun, held against plans that are made. */

import assert from "node:assert/strict";
import { join } from "node:path";
import type { Certificate } from "../engine/certify/certificate.ts";
import { ExitCode } from "../engine/errors.ts";
import { draftStage, openMadeUp, openStage, STAGES } from "../cli/profile/stage.ts";
import { stageArgs } from "../cli/certify/steps.ts";
import { constraintOf } from "../cli/constraint_flags.ts";
import { cli, fail, succeed } from "./support/cli.ts";
import { testGpu } from "./support/gpu.ts";
import { inFolder } from "./support/io.ts";
import { Runtime } from "../engine/plan/runtime.ts";

Deno.test("a draft of a step is the plan that is made of it: memory, kernels, operations", async () => {
  for (const stage of STAGES) {
    const args = stageArgs("small", stage, { batch: 4, width: 0.25 });
    const { set, network, entry } = await openMadeUp(args);
    const constraint = constraintOf(args, network, set, entry.featureLayer);
    const runtime = new Runtime(await testGpu());
    const { memory, plans, runs } = draftStage(stage, runtime, network, set, constraint);
    const { plan } = await openStage(stage, runtime, network, set, constraint);
    assert.deepEqual(memory, plan.memory);
    assert.deepEqual(runs, [1]);
    const kernels = (of: typeof plans[number]["dispatches"]) =>
      of.map(({ kernel: { label, workgroups, flops, bytes } }) => ({
        ...{ label, workgroups, flops, bytes },
      }));
    assert.deepEqual(kernels(plans[0].dispatches), kernels(plan.dispatches));
    const copies = plan.dispatches.reduce((sum, { copies }) => sum + copies.length, 0);
    assert.equal(plans[0].copies.length, copies);
    plan.destroy();
    runtime.destroy();
  }
});

interface Step {
  readonly stage: string;
  readonly batch: number;
  readonly memory: Readonly<Record<string, number>>;
  readonly bytes: number;
  readonly gflop: number;
  readonly ms: number;
  readonly epochSeconds: number;
}

Deno.test("plan: memory by kind, times by a GPU's figures, and of whole treatments", async () => {
  const sized = ["--batch", "32,64", "--images", "1000", "--epochs", "3", "--seeds", "2"];
  const planned = async (...more: string[]) =>
    JSON.parse(await succeed("plan", ...sized, "--json", ...more)) as {
      readonly steps: readonly Step[];
      readonly treatments: readonly { readonly batch: number; readonly hours: number }[];
    };
  const { steps, treatments } = await planned("--gpu", "NVIDIA H100");
  assert.deepEqual(steps.map(({ stage, batch }) => `${stage} ${batch}`), [
    ...["train 32", "treat 32", "eval 32", "train 64", "treat 64", "eval 64"],
  ]);
  const [train, treat, look, larger] = steps;
  // The small network's 113,000 parameters, their velocities, and 1,000 images as bytes.
  assert.ok(train.memory.weights > 4 * 110_000 && train.memory.weights < 4 * 120_000);
  assert.ok(train.memory.optimizer > 4 * 110_000 && train.memory.optimizer < 4 * 120_000);
  assert.equal(train.memory.data, 1000 * 32 * 32 * 3);
  assert.equal(look.memory.optimizer, 0);
  assert.ok(larger.memory.activations > 1.5 * train.memory.activations);
  for (const { memory, bytes, batch, ms, epochSeconds } of steps) {
    assert.equal(bytes, Object.values(memory).reduce((sum, each) => sum + each, 0));
    assert.ok(Math.abs(epochSeconds - Math.ceil(1000 / batch) * ms / 1000) < 1e-9);
  }
  assert.ok(treat.gflop > train.gflop && train.gflop > 2 * look.gflop);
  // Baseline, control; treated and placebo.
  const seconds = 2 * (3 * train.epochSeconds + 2 * (train.epochSeconds + 2 * treat.epochSeconds));
  assert.deepEqual(treatments.map(({ batch }) => batch), [32, 64]);
  assert.ok(Math.abs(treatments[0].hours - seconds / 3600) < 1e-9);
  const [full, half] = await Promise.all(["f32", "f16"].map(async (activations) => {
    const of = await planned("--models", "resnet34", "--stage", "train", ...[
      "--activations",
      activations,
    ]);
    assert.deepEqual(of.treatments, [], "no times without a GPU");
    return of.steps[1].memory.activations;
  }));
  assert.ok(half > 0.4 * full && half < 0.9 * full, `${half} ${full}`);
});

Deno.test("plan: steps in parts, what has no room, and the buffers that a GPU binds", async () => {
  const bytesOf = async (...more: string[]) => {
    const { steps } = JSON.parse(await succeed("plan", "--json", "--batch", "256", ...more));
    const of = (wanted: string) => (steps as Step[]).find(({ stage }) => stage === wanted)!;
    return { train: of("train"), look: of("eval") };
  };
  const [whole, parts] = await Promise.all([bytesOf(), bytesOf("--micro-batch", "32")]);
  assert.ok(parts.train.memory.activations < whole.train.memory.activations / 6);
  assert.ok(parts.look.memory.activations < whole.look.memory.activations / 6);
  // The sums of the gradients, as large as the velocities.
  assert.ok(parts.train.memory.optimizer > 1.9 * whole.train.memory.optimizer);
  // All parts count; for few images convolutions may go another way.
  assert.ok(parts.train.gflop > 0.9 * whole.train.gflop);
  const odd = ["plan", "--batch", "64,48", "--micro-batch", "32"];
  await fail(ExitCode.usage, /--micro-batch 32 does not divide --batch 48; 24 does/, ...odd);

  const large = ["plan", "--batch", "65536", "--stage", "eval"];
  const refused = await cli(large);
  assert.equal(refused.code, ExitCode.gpu, "what was asked for can't be had");
  assert.match(
    refused.stdout,
    /^small eval 65536: the output of features\S* \(.* \[65536, .*\]\) needs a buffer of 8.0 GiB/m,
  );
  const larger = await cli([...large, "--models", "resnet50", "--size", "224"]);
  assert.match(
    larger.stdout,
    /^resnet50 eval 65536: a batch of images needs a buffer of 36.8 GiB/m,
  );
  assert.match(await succeed(...large, "--binding-size", "8"), /^small eval 65536 +\d+\.\d GiB/m);
});

Deno.test("plan: a certificate's figures, what steps took there, and its memory", () =>
  inFolder(async (folder) => {
    const common = { wrong: [], remarkable: [], seconds: 1 };
    const write = async (name: string, roofline: number, factor?: number) => {
      const stage = { stage: "train", ms: 10 * (factor ?? 1), predictedMs: 10, firstMs: 1 };
      const counts = { imagesPerSecond: 1, memory: 1, dispatches: 1, hostMs: 1, shares: [] };
      const stages = [{ ...stage, ...counts, finite: true }];
      const certificate: Certificate = {
        version: 1,
        subject: {
          ...{ adapter: "NVIDIA RTX", vendor: "NVIDIA", driver: "", deno: "", program: "" },
          ...{ batch: 64, width: 1 },
        },
        machine: { system: "", facts: { "free memory": "1.0 MiB" }, features: [], limits: {} },
        parts: [
          ...roofline > 0
            ? [{
              ...{ ...common, kind: "roofline", name: "roofline" } as const,
              ...{ gflops: roofline, gbPerSecond: roofline / 10 },
            }]
            : [],
          {
            ...{ ...common, kind: "dispatch", name: "dispatch" } as const,
            ...{ deviceUs: 0, hostUs: 0, readbackMs: 0 },
          },
          ...factor === undefined ? [] : [{
            ...{ ...common, kind: "steps", name: "steps of small", model: "small" } as const,
            ...{ batch: 64, width: 1, stages },
          }],
        ],
        skipped: [],
      };
      const path = join(folder, name);
      await Deno.writeTextFile(path, JSON.stringify(certificate));
      return ["plan", "--stage", "train", "--certificate", path];
    };
    const ms = async (flags: readonly string[]) =>
      (JSON.parse((await cli([...flags, "--json"])).stdout).steps as Step[])[0].ms;
    const once = await ms(await write("once.json", 1000));
    const near = (found: number, wanted: number) =>
      assert.ok(Math.abs(found / wanted - 1) < 1e-9, `${found} is not ${wanted}`);
    near(await ms(await write("twice.json", 2000)), once / 2);
    const scaled = await write("scaled.json", 1000, 3);
    near(await ms(scaled), 3 * once);
    const { code, stdout: told } = await cli(scaled);
    assert.equal(code, ExitCode.gpu, "it has no room");
    assert.match(told, /^scaled by what steps of these models took there: small train 3.00 x$/m);
    assert.match(told, /^small train 64 +\d+\.\d MiB \(no room\)/m);
    assert.doesNotMatch(await succeed(...scaled, "--memory", "4"), /no room/);
    const foreign = join(folder, "foreign.json");
    await Deno.writeTextFile(foreign, '{ "name": "app" }');
    const { stderr } = await fail(
      ExitCode.io,
      /foreign\.json is no certificate: its version is missing\nhint: name the certificate\.json /,
      ...["plan", "--certificate", foreign],
    );
    assert.doesNotMatch(stderr, /remove|damaged/);
    const none = await write("none.json", 0);
    await fail(ExitCode.usage, /none\.json does not say what the adapter can do/, ...none);
    await fail(
      ExitCode.usage,
      /no kind of GPU is known by the name Voodoo/,
      "plan",
      "--gpu",
      "Voodoo",
    );
  }));
