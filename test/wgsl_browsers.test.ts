/** Every kernel is valid in browsers: the shader files as they stand, and what plans make of them. */

import assert from "node:assert/strict";
import { glob } from "node:fs/promises";
import { openStage, type Stage, syntheticData } from "../cli/profile/stage.ts";
import { expand } from "../engine/gpu/expand.ts";
import type { Kernel } from "../engine/gpu/kernel.ts";
import { render } from "../engine/gpu/render.ts";
import { BLOCKS, PLAIN, type Target } from "../engine/gpu/kernels/target.ts";
import type { PlanSpec } from "../engine/plan/plan.ts";
import type { Runtime } from "../engine/plan/runtime.ts";
import { schedule } from "../engine/plan/schedule.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { classifier } from "../models/registry.ts";
import { constraintOf } from "./support/constraint.ts";
import { complaints } from "./dawn/validator.ts";

const shaders = new URL("../shaders/", import.meta.url).pathname;

Deno.test("every shader file is valid as it stands, and when it is expanded", async () => {
  const texts: string[] = [];
  const labels: string[] = [];
  for await (const file of glob(`${shaders}**/*.wgsl`)) {
    const text = await Deno.readTextFile(file);
    texts.push(expand(text));
    labels.push(`${file}, expanded`);
    // Browsers want constant lanes; where they are counters of a loop, they are once it's unrolled.
    if (text.includes("subgroupBroadcast(")) continue;
    texts.push(text);
    labels.push(file);
  }
  assert.ok(texts.length >= 40, `${texts.length} texts`);
  await assertValid(labels, texts);
});

const targets: Record<string, Target> = {
  "any device": PLAIN,
  "a GPU": BLOCKS,
  "a CPU adapter": { ...PLAIN, lanes: 8, textures: true },
};

for (const [what, target] of Object.entries(targets)) {
  Deno.test(`the kernels of networks for ${what} are valid when expanded`, async () => {
    const kernels = new Map<string, Kernel>();
    for (const stage of ["train", "treat", "eval"] as const) {
      for (const kernel of await kernelsOf("small", stage, target)) {
        kernels.set(render(kernel), kernel);
      }
    }
    // Of kernels that differ in nothing but numbers, one.
    const seen = new Set<string>();
    for (const model of ["resnet18", "mobilenetv2", "squeezenet"]) {
      for (const kernel of await kernelsOf(model, "train", target)) {
        const structure = render(kernel).replace(/\d+/g, "");
        if (!seen.has(structure)) kernels.set(render(kernel), kernel);
        seen.add(structure);
      }
    }
    assert.ok(kernels.size > 120, `${kernels.size} kernels`);
    const all = [...kernels.values()];
    await assertValid(all.map(({ label }) => label), all.map((kernel) => expand(render(kernel))));
  });
}

Deno.test("the validator finds what browsers refuse", async () => {
  const body = (text: string) => `
    @group(0) @binding(0) var<storage, read_write> y: array<f32>;
    @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { ${text} }`;
  const [right, barrier, syntax] = await complaints([
    body("y[i] = subgroupAdd(1.0);"),
    body("if (i < 3u) { workgroupBarrier(); }"),
    body("let x = ;"),
  ]);
  assert.equal(right, null);
  assert.match(barrier ?? "", /must only be called from uniform control flow/);
  assert.match(syntax ?? "", /error: /);
});

async function assertValid(labels: readonly string[], texts: readonly string[]) {
  (await complaints(texts)).forEach((complaint, k) => {
    assert.equal(complaint, null, `${labels[k]}: ${complaint}`);
  });
}

/** The kernels of a model's step, planned for a target without a device. */
async function kernelsOf(model: string, stage: Stage, target: Target): Promise<Kernel[]> {
  const { outputs = {}, assign = [] } = await (specs[`${model} ${stage}`] ??= specOf(model, stage));
  const { dispatches } = schedule(Object.values<Tensor>(outputs), assign, target);
  return dispatches.map(({ kernel }) => kernel);
}

const specs: Record<string, Promise<PlanSpec>> = {};

/** What a plan of a model's step is made of. */
async function specOf(model: string, stage: Stage): Promise<PlanSpec> {
  const found: PlanSpec[] = [];
  const planner = {
    gpu: { limits: { maxStorageBufferBindingSize: Infinity } },
    plan: (spec: PlanSpec) => Promise.resolve(void found.push(spec)),
  };
  const set = syntheticData({ size: 32, channels: 3, classes: 10, batch: 4 });
  const { create, featureLayer } = classifier(model);
  const network = create({ inChannels: 3, numClasses: 10, imageSize: 32 });
  const constraint = constraintOf({ layers: [featureLayer], beta: 1 });
  await openStage(stage, planner as unknown as Runtime, network, set, constraint);
  return found[0];
}
