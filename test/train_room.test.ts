/** Whether a step has room is known from its plan, before anything is trained. */

import assert from "node:assert/strict";
import { checkConstraint, undiagnosed } from "../engine/doctor/penalty.ts";
import { ExitCode, type OutOfMemory, TooLarge, UserError } from "../engine/errors.ts";
import { stageArgs } from "../cli/certify/steps.ts";
import { openMadeUp } from "../cli/profile/stage.ts";
import type { Gpu } from "../engine/gpu/adapter.ts";
import { halved, PLAIN } from "../engine/gpu/kernels/target.ts";
import { bytesInAll } from "../engine/plan/allocate.ts";
import { createBuffer } from "../engine/plan/buffers.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import type { SamOptions } from "../engine/train/optimizers/sam.ts";
import { requireRoom } from "../engine/train/room.ts";
import { Predictor } from "../engine/train/predict.ts";
import { TrainingStep } from "../engine/train/step.ts";
import { userError } from "./support/io.ts";
import { constraintOf } from "./support/constraint.ts";
import { countBuffers, freshRuntime, tinyNet, tinySet } from "./support/train.ts";

const rest = { seed: 0, momentum: 0.9, weightDecay: 1e-4 };
const constraint = constraintOf({ layers: ["features"], alpha: 1, beta: 1 });

Deno.test("a step weighs what its plan then occupies, and weighing makes nothing", async () => {
  const runtime = await freshRuntime();
  const network = tinyNet(0);
  checkConstraint(network, tinySet, constraint);
  for (const penalty of [undefined, undiagnosed(network, tinySet.classes.length, constraint)]) {
    const options = { ...rest, batch: 12, penalty };
    const { counts, restore } = await countBuffers();
    const weighed = TrainingStep.draft(runtime, network, tinySet, tinySet.train, options).memory;
    restore();
    assert.equal(counts.made, 0);
    if (penalty) continue;
    const step = await TrainingStep.make(runtime, network, tinySet, tinySet.train, options);
    assert.deepEqual(weighed, step.plans[0].memory);
    step.destroy();
  }
});

Deno.test("a batch that has no room is refused with the largest power of its halves that has", async () => {
  const { gpu, target } = await freshRuntime();
  const network = tinyNet(0);
  const penalty = undiagnosed(network, tinySet.classes.length, constraint);
  const weigh = (batch: number, of?: typeof penalty) => {
    const { values, textures, inputs, variables } = TrainingStep.draft(
      ...[new Runtime(gpu, target), network, tinySet, tinySet.train] as const,
      { ...rest, batch, penalty: of },
    ).memory;
    return values.bytes + textures.bytes + inputs + variables;
  };
  const check = (
    changed: Partial<Gpu>,
    of?: typeof penalty,
    sam?: SamOptions,
    microBatch?: number,
  ) =>
    requireRoom(
      ...[new Runtime({ ...gpu, ...changed } as Gpu, target), network, tinySet] as const,
      ...[tinySet.train, { batch: 48, microBatch, penalty: of, sam }] as const,
    );
  const refusal = (changed: Partial<Gpu>, of?: typeof penalty): UserError => {
    try {
      check(changed, of);
    } catch (error) {
      assert.ok(error instanceof UserError);
      assert.equal(error.exitCode, ExitCode.usage);
      return error;
    }
    throw new Error("accepted");
  };
  check({ facts: { memory: weigh(48) } });
  const memory = refusal({ facts: { memory: weigh(48) - 1 } });
  assert.match(
    memory.message,
    /^a step on a batch of 48 images has no room: it takes .* are free$/,
  );
  // As a part of the batch, and alone; a part needs room for sums of gradients beside.
  assert.equal(
    memory.hint,
    "--micro-batch 24 has room, with the same batch; --batch 24 has room",
  );
  const hint = refusal({ facts: { memory: weigh(12) } }).hint!;
  const [, part] = /^--micro-batch (\d+) has room, .*; --batch 12 has room$/.exec(hint)!;
  check({ facts: { memory: weigh(12) } }, undefined, undefined, Number(part));
  assert.throws(
    () => check({ facts: { memory: weigh(12) } }, undefined, undefined, 2 * Number(part)),
    /a step on \d+ images at a time of a batch of 48 has no room/,
  );
  assert.match(refusal({ facts: { memory: 1 } }).hint!, /smaller model/);
  // The constraint's step takes more.
  assert.ok(weigh(48, penalty) > weigh(48));
  refusal({ facts: { memory: weigh(48) } }, penalty);
  check({ facts: { memory: weigh(48, penalty) } }, penalty);
  // Two passes have memory of their own each.
  assert.throws(
    () => check({ facts: { memory: weigh(48) } }, undefined, { rho: 0.05 }),
    /has no room/,
  );
  check({ facts: { memory: 3 * weigh(48) } }, undefined, { rho: 0.05 });

  const limits = { ...gpu.limits, maxStorageBufferBindingSize: 30_000 };
  const binding = refusal({ limits });
  assert.match(binding.message, /needs a buffer of .* and the GPU binds/);
  assert.match(binding.hint!, /--batch (24|12|6|3) has room$/);
  assert.throws(() => createBuffer({ ...gpu, limits } as Gpu, "x", 40_000), TooLarge);
});

Deno.test("where activations as halves have room, that is the first thing to do", async () => {
  const { gpu } = await freshRuntime();
  const { set, network } = await openMadeUp(
    stageArgs("resnet34", "train", { batch: 16, width: 0.25 }),
  );
  const options = { ...rest, batch: 16 };
  const bytes = [PLAIN, halved(PLAIN)].map((target) => {
    const runtime = new Runtime(gpu, target);
    return bytesInAll(TrainingStep.draft(runtime, network, set, set.train, options).memory);
  });
  assert.ok(bytes[1] < bytes[0]);
  const runtime = new Runtime({ ...gpu, facts: { memory: bytes[1] } }, PLAIN);
  assert.throws(
    () => requireRoom(runtime, network, set, set.train, options),
    ({ hint }: UserError) => /^--activations f16 has room; .*--batch 8 has room$/.test(hint!),
  );
  const halves = new Runtime({ ...gpu, facts: { memory: bytes[1] } }, halved(PLAIN));
  requireRoom(halves, network, set, set.train, options);
});

Deno.test("a look at images that has no room says so before anything is made, and which batch has", async () => {
  const { gpu } = await freshRuntime();
  const network = tinyNet(0);
  const looked = (memory: number, batch: number) => {
    const runtime = new Runtime({ ...gpu, facts: { memory } } as Gpu, PLAIN);
    return Predictor.make(runtime, network, tinySet, tinySet.test, batch);
  };
  const { counts, restore } = await countBuffers();
  try {
    const none = await userError(looked(1, 24), ExitCode.gpu, /no memory/);
    assert.match(none.hint!, /smaller model/);
    const memory = Math.ceil(0.7 * (none as OutOfMemory).room!.needed);
    const refused = looked(memory, 24);
    const error = await userError(
      refused,
      ExitCode.gpu,
      /for a look at 24 images: it needs .* and/,
    );
    const [, batch] = /^--batch (12|6|3) has room$/.exec(error.hint!)!;
    assert.equal(counts.made, 0);
    (await looked(memory, Number(batch))).destroy();
    await userError(looked(memory, 2 * Number(batch)), ExitCode.gpu, /no memory/);
    assert.match(
      (await userError(looked(1, 24), ExitCode.gpu, /no memory/)).hint!,
      /smaller model/,
    );
  } finally {
    restore();
  }
});
