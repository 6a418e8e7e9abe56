/** The tuner and its cache: what is measured, checked, kept and left aside. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { syntheticData } from "../cli/profile/stage.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import type { Kernel, Tunable } from "../engine/gpu/kernel.ts";
import { BLOCKS, type Target } from "../engine/gpu/kernels/target.ts";
import { type Choices, variantsOf } from "../engine/gpu/tuning.ts";
import { openGpu } from "../engine/host/gpu.ts";
import { readTuning, tuningFile, tuningKey, writeTuning } from "../engine/host/tuning.ts";
import { render } from "../engine/gpu/render.ts";
import { initialize } from "../engine/nn/state.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import type { Dispatch } from "../engine/plan/dispatch.ts";
import { schedule } from "../engine/plan/schedule.ts";
import { conv2d, grad, square, sum, Variable } from "../engine/tensor/mod.ts";
import { draws, uniform } from "../engine/random.ts";
import { gainOf, ROUNDS } from "../engine/tune/gain.ts";
import { tryVariants } from "../engine/tune/trial.ts";
import { tunableClasses, tune } from "../engine/tune/tune.ts";
import { TrainingStep } from "../engine/train/step.ts";
import { classifier } from "../models/registry.ts";
import { noise, relativeError, testGpu } from "./support/gpu.ts";

/** Runs with the cache in a folder of its own. */
async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const before = Deno.env.get("MODEL_DOCTOR_TUNING");
  Deno.env.set("MODEL_DOCTOR_TUNING", folder);
  try {
    await test(folder);
  } finally {
    if (before === undefined) Deno.env.delete("MODEL_DOCTOR_TUNING");
    else Deno.env.set("MODEL_DOCTOR_TUNING", before);
    await Deno.remove(folder, { recursive: true });
  }
}

const key = () => testGpu().then(tuningKey);
const CHOICES: Choices = new Map([["conv a", { variant: "fast", ms: 1, untunedMs: 2 }]]);

Deno.test("tuning: what is written is read, and added to", () =>
  inFolder(async () => {
    const of = await key();
    assert.equal((await readTuning(of)).size, 0);
    await writeTuning(of, CHOICES);
    const more = [["conv b", { variant: "slow", ms: 3, untunedMs: 3 }]] as const;
    const file = await writeTuning(of, new Map(more));
    assert.equal(file, await tuningFile(of));
    assert.deepEqual(await readTuning(of), new Map([...CHOICES, ...more]));
    assert.equal(variantsOf(CHOICES).get("conv a"), "fast");
    const gpu = await openGpu();
    assert.equal(gpu.tuning.get("conv b"), "slow");
    gpu.destroy();
  }));

Deno.test("tuning: another adapter or driver has another file", () =>
  inFolder(async () => {
    const of = await key();
    assert.notEqual(await tuningFile(of), await tuningFile({ ...of, driver: "1.2" }));
    assert.notEqual(await tuningFile(of), await tuningFile({ ...of, adapter: "other" }));
  }));

Deno.test("tuning: a broken or foreign file is left aside with one warning", () =>
  inFolder(async () => {
    const of = await key();
    const file = await writeTuning(of, CHOICES);
    const good = JSON.parse(await Deno.readTextFile(file));
    const contents = [
      "{",
      "null",
      JSON.stringify({ ...good, format: 99 }),
      JSON.stringify({ ...good, key: { ...of, deno: "0.1" } }),
      JSON.stringify({ ...good, choices: { "conv a": { variant: 7 } } }),
    ];
    for (const content of contents) {
      await Deno.writeTextFile(file, content);
      const warnings: string[] = [];
      assert.equal((await readTuning(of, (text) => warnings.push(text))).size, 0);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0], /not used: .*deno task tune/);
      assert.ok(warnings[0].includes(file));
    }
    // Writing replaces it.
    await writeTuning(of, CHOICES);
    assert.deepEqual(await readTuning(of), CHOICES);
  }));

Deno.test("tuning: off means neither read nor written", () =>
  inFolder(async (folder) => {
    const of = await key();
    await writeTuning(of, CHOICES);
    Deno.env.set("MODEL_DOCTOR_TUNING", "off");
    assert.equal((await readTuning(of)).size, 0);
    await assert.rejects(
      writeTuning(of, CHOICES),
      (error) => error instanceof UserError && error.exitCode === ExitCode.usage,
    );
    Deno.env.set("MODEL_DOCTOR_TUNING", join(folder, "new"));
    await writeTuning(of, CHOICES);
  }));

const x = new Variable("x", [2, 6, 6, 4], noise(288, 1));
const w = new Variable("w", [3, 3, 4, 8], noise(288, 2));

/** The loss of a convolution and its gradients: a class of shapes for each face but one. */
function graph() {
  const loss = sum(square(conv2d(x, w, { padding: 1 })));
  return [loss, ...grad(loss, [w])];
}

/** A target with few variants, so that little is compiled. */
const FEW: Target = { ...BLOCKS, workgroupMemory: 4200 };

Deno.test("tune: measures all classes of a plan; the choices change no bit", async () => {
  const gpu = await testGpu();
  const { dispatches } = schedule(graph(), [], FEW);
  const classes = tunableClasses(dispatches);
  assert.equal(classes.length, 2);
  const choices = new Map<string, string>();
  for await (const found of tune(gpu, classes)) {
    const { shapeClass, choice, measured, untuned, calls } = found;
    assert.equal(calls, 1);
    assert.ok(choice.ms > 0 && choice.ms <= choice.untunedMs);
    assert.equal(measured[0].name, untuned);
    assert.ok(measured.some(({ name, ms }) => name === choice.variant && ms !== undefined));
    assert.ok(measured.every(({ refused }) => refused === undefined || refused === "slow"));
    // Whatever the times said, another choice than the rule's.
    choices.set(shapeClass, measured.at(-1)!.name);
  }
  const tuned = { ...FEW, tuning: choices };
  const sources = (target: Target) =>
    new Set(schedule(graph(), [], target).dispatches.map(({ kernel }) => render(kernel)));
  assert.notDeepEqual(sources(tuned), sources(FEW));
  const values = [];
  for (const target of [FEW, tuned]) {
    const runtime = new Runtime(gpu, target);
    values.push(await runtime.evaluate(graph()));
    runtime.destroy();
  }
  assert.deepEqual(values[0], values[1]);
});

Deno.test("tuning changes no bit of a training run, and GPUs train as CPU adapters do", async () => {
  const gpu = await testGpu();
  const set = syntheticData({ size: 8, channels: 3, classes: 4, batch: 6 });
  const network = classifier("small").create({ inChannels: 3, numClasses: 4, imageSize: 8 });
  initialize(network, 0);
  const options = { batch: 6, seed: 0, momentum: 0.9, weightDecay: 5e-4 };
  const trained = async (target?: Target) => {
    const runtime = new Runtime(gpu, target);
    const step = await TrainingStep.make(runtime, network, set, set.train, options);
    for (let s = 0; s < 3; s++) await step.run(Uint32Array.of(0, 1, 2, 3, 4, 5), s, 0.01);
    const weights = await runtime.read([...network.namedParameters()].map(([, p]) => p));
    const { dispatches } = step.plans[0];
    step.destroy();
    runtime.destroy();
    return { weights, dispatches };
  };
  const untuned = await trained(BLOCKS);
  const other = tunableClasses(untuned.dispatches).map(({ dispatch: { kernel } }, i) => {
    const { shapeClass, variants } = kernel.tunable!;
    return [shapeClass, variants[(3 * i + 5) % variants.length].name] as const;
  });
  assert.ok(other.length > 5);
  const tuned = await trained({ ...BLOCKS, tuning: new Map(other) });
  assert.deepEqual(tuned.weights, untuned.weights);
  const { weights } = await trained();
  weights.forEach((w, i) => assert.ok(relativeError(untuned.weights[i], w) < 1e-4));
});

/** The dispatch of a convolution, with its kernel's variants changed. */
function changed(change: (tunable: Tunable, kernel: Kernel) => Partial<Tunable>): Dispatch {
  const { dispatches } = schedule([conv2d(x, w, { padding: 1 })], [], FEW);
  const { kernel, ...rest } = dispatches[0];
  const tunable = { ...kernel.tunable!, variants: kernel.tunable!.variants.slice(0, 1) };
  return { ...rest, kernel: { ...kernel, tunable: { ...tunable, ...change(tunable, kernel) } } };
}

Deno.test("tune: variants that compute something else or don't compile are refused", async () => {
  const runtime = new Runtime(await testGpu());
  const dispatch = changed(({ variants }, kernel) => ({
    variants: [
      ...variants,
      { name: "wrong", make: () => padded(kernel, 0) },
      { name: "idle", make: () => ({ ...kernel, ...IDLE }) },
      { name: "broken", make: () => ({ ...kernel, shader: `${kernel.shader}}` }) },
    ],
  }));
  const { unwritten, restore } = watchQueries();
  const [first, ...others] = await tryVariants(runtime, dispatch).finally(restore);
  assert.deepEqual(unwritten, [], "a driver may wait for ever for what a pass never wrote");
  assert.ok(first.ms! > 0);
  assert.deepEqual(others.map(({ name, ms }) => [name, ms]), [
    ["wrong", undefined],
    ["idle", undefined],
    ["broken", undefined],
  ]);
  assert.match(others[0].refused!, /elements differ/);
  assert.match(others[1].refused!, /elements differ/);
  assert.match(others[2].refused!, /^shader line \d+: /);
});

/** The timestamps that are resolved although no pass of the submission writes them. */
function watchQueries() {
  const { beginComputePass, resolveQuerySet } = GPUCommandEncoder.prototype;
  const written = new WeakMap<GPUCommandEncoder, Set<number>>();
  const unwritten: number[] = [];
  GPUCommandEncoder.prototype.beginComputePass = function (descriptor) {
    const { beginningOfPassWriteIndex: begin, endOfPassWriteIndex: end } =
      descriptor?.timestampWrites ?? {};
    const known = written.get(this) ?? new Set();
    for (const index of [begin, end]) if (index !== undefined) known.add(index);
    written.set(this, known);
    return beginComputePass.call(this, descriptor);
  };
  GPUCommandEncoder.prototype.resolveQuerySet = function (set, first, count, ...to) {
    for (let i = first; i < first + count; i++) if (!written.get(this)?.has(i)) unwritten.push(i);
    return resolveQuerySet.call(this, set, first, count, ...to);
  };
  const restore = () =>
    Object.assign(GPUCommandEncoder.prototype, { beginComputePass, resolveQuerySet });
  return { unwritten, restore };
}

/** The kernel of a convolution with another padding. */
function padded(kernel: Kernel, padding: number): Kernel {
  return { ...kernel, constants: { ...kernel.constants, PADDING_H: padding } };
}

const IDLE = {
  shader: `
// begin operands
// end operands
@compute @workgroup_size(1) fn main() {
  if (load_own(0u)[0] + load_joint(0u)[0] > 1e30) { result[0] = vec4f(); }
}`,
  slots: {},
  constants: {},
  workgroups: 1,
};

Deno.test("tune: a first variant that is wrong is an error, not a choice", async () => {
  const runtime = new Runtime(await testGpu());
  const dispatch = changed((tunable, kernel) => ({
    variants: [{
      name: "wrong",
      make: () => padded(kernel, 0),
    }],
    reference: tunable.reference,
  }));
  await assert.rejects(
    tryVariants(runtime, dispatch),
    (error) => error instanceof UserError && /is off by/.test(error.message),
  );
});

Deno.test("gainOf: on a busy machine a gain of 10 % is nearly always kept, and luck hardly ever", () => {
  const times = (seed: number, ms: number) => {
    const draw = draws(seed, 1);
    return Array.from({ length: ROUNDS }, (_, k) => {
      const [jitter, disturbed, by] = [0, 1, 2].map((part) => uniform(draw(3 * k + part)));
      return ms * (1 + 0.03 * jitter) * (disturbed < 0.1 ? 1 + 3 * by : 1);
    });
  };
  let lucky = 0, kept = 0;
  for (let seed = 0; seed < 400; seed += 2) {
    const untuned = times(seed, 1);
    if (gainOf(untuned, times(seed + 1, 0.9)).isStable) kept++;
    if (gainOf(untuned, times(seed + 1, 1)).isStable) lucky++;
  }
  assert.ok(kept >= 180, `${kept} of 200`);
  assert.ok(lucky <= 4, `${lucky} of 200`);
  const wild = gainOf(times(1, 1), times(1, 1));
  assert.deepEqual([wild.ratio, wild.low, wild.high, wild.isStable], [1, 1, 1, false]);
});
