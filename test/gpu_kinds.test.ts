/** What is chosen for the GPUs of each vendor, by adapters that pose as theirs. */
import assert from "node:assert/strict";
import { type Gpu, requestGpu } from "../engine/gpu/adapter.ts";
import type { AdapterFacts } from "../engine/gpu/adapter_name.ts";
import { convForward, convInputGrad, convWeightGrad } from "../engine/gpu/kernels/conv.ts";
import { GPU_KINDS, gpuKind } from "../engine/gpu/kernels/processors.ts";
import { BLOCKS, targetFor } from "../engine/gpu/kernels/target.ts";
import { Timestamps } from "../engine/gpu/timestamps.ts";
import { ExitCode, TooLarge, UserError } from "../engine/errors.ts";
import { createBuffer } from "../engine/plan/buffers.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import * as t from "../engine/tensor/mod.ts";
import { random } from "./support/check.ts";
import { conv } from "./support/conv.ts";
import { relativeError, testGpu } from "./support/gpu.ts";
import { type Pose, posing } from "./support/pose.ts";

/** Vendor, architecture and name, as Deno on Vulkan or Metal and as browsers tell them. */
const NAMES: readonly [kind: string, vendor: string, architecture: string, name: string][] = [
  ["NVIDIA, data centre", "NVIDIA", "", "NVIDIA H100 80GB HBM3"],
  ["NVIDIA, data centre", "NVIDIA", "", "NVIDIA H200"],
  ["NVIDIA, data centre", "NVIDIA", "", "NVIDIA A100-SXM4-40GB"],
  ["NVIDIA", "NVIDIA", "", "NVIDIA GeForce RTX 4070"],
  ["NVIDIA", "nvidia", "ampere", ""],
  ["NVIDIA", "NVIDIA", "", "NVIDIA A10G"],
  ["NVIDIA, Turing and before", "NVIDIA", "", "Tesla T4"],
  ["NVIDIA, Turing and before", "nvidia", "turing", ""],
  ["NVIDIA, Turing and before", "NVIDIA", "", "NVIDIA GeForce GTX 1080"],
  ["AMD, CDNA", "AMD", "", "AMD Instinct MI300X (RADV GFX942)"],
  ["AMD, RDNA 3 and later", "AMD", "", "AMD Radeon RX 7900 XTX (RADV NAVI31)"],
  ["AMD, RDNA 3 and later", "AMD", "", "AMD Radeon Graphics (RADV GFX1103_R1)"],
  ["AMD, RDNA 3 and later", "amd", "rdna-3", ""],
  ["AMD, RDNA 3 and later", "AMD", "", "AMD Radeon RX 7900 XTX"],
  ["AMD", "AMD", "", "AMD Radeon RX 6800 XT (RADV NAVI21)"],
  ["AMD", "amd", "rdna-2", ""],
  ["AMD, GCN", "AMD", "", "AMD Radeon Vega 8 Graphics (RADV RAVEN)"],
  ["Intel, Arc", "Intel", "", "Intel(R) Arc(tm) A770 Graphics (DG2)"],
  ["Intel, Arc", "intel", "xe-hpg", ""],
  ["Intel", "Intel", "", "Intel(R) Iris(R) Xe Graphics (TGL GT2)"],
  ["Intel", "intel", "gen-12lp", ""],
  ["Apple", "0", "", "Apple M2 Pro"],
  ["Apple", "apple", "common-3", ""],
  ["Qualcomm and Arm", "Qualcomm", "", "Adreno (TM) 740"],
  ["Qualcomm and Arm", "ARM", "", "Mali-G710"],
  ["unknown", "Imagination", "", "PowerVR B-Series BXM"],
  ["unknown", "", "", "unnamed adapter"],
];

Deno.test("gpuKind: adapters are known by what they tell of themselves", () => {
  for (const [kind, vendor, architecture, name] of NAMES) {
    assert.equal(gpuKind({ vendor, architecture, name }).name, kind, `${vendor} ${name}`);
  }
  assert.deepEqual(new Set(NAMES.map(([kind]) => kind)), new Set(GPU_KINDS.map((k) => k.name)));
});

const native = (vendor: number, description: string) => ({ vendor: `${vendor}`, description });
const clock = ["timestamp-query"];

/** A device of each vendor's, with the sums of a thread that suit it. */
const POSES: Readonly<Record<string, Pose & { readonly sums: readonly string[] }>> = {
  "NVIDIA H100": {
    info: { ...native(0x10de, "NVIDIA H100 80GB HBM3"), subgroupMinSize: 32, subgroupMaxSize: 32 },
    limits: { maxComputeWorkgroupStorageSize: 49152, maxComputeInvocationsPerWorkgroup: 1024 },
    ...{ features: clock, sums: ["8x8"] },
  },
  "RDNA 2": {
    info: native(0x1002, "AMD Radeon RX 6800 XT (RADV NAVI21)"),
    limits: { maxComputeWorkgroupStorageSize: 65536, maxComputeInvocationsPerWorkgroup: 1024 },
    ...{ features: clock, tick: 10, sums: ["8x8"] },
  },
  "RDNA 3": {
    info: native(0x1002, "AMD Radeon RX 7900 XTX (RADV NAVI31)"),
    limits: { maxComputeWorkgroupStorageSize: 65536, maxComputeInvocationsPerWorkgroup: 1024 },
    ...{ features: clock, tick: 10, sums: ["8x8"] },
  },
  "Intel Arc": {
    info: native(0x8086, "Intel(R) Arc(tm) A770 Graphics (DG2)"),
    limits: { maxComputeWorkgroupStorageSize: 65536, maxComputeInvocationsPerWorkgroup: 1024 },
    ...{ features: clock, tick: 52.083, sums: ["4x8", "8x4", "4x4"] },
  },
  "Apple M2": {
    info: { vendor: "0", description: "Apple M2" },
    limits: { maxComputeWorkgroupStorageSize: 32768, maxComputeInvocationsPerWorkgroup: 1024 },
    ...{ features: clock, tick: 41.667, sums: ["4x8", "8x4", "4x4"] },
  },
  "Adreno": {
    info: native(0x5143, "Adreno (TM) 740"),
    limits: { maxComputeWorkgroupStorageSize: 32768, maxComputeInvocationsPerWorkgroup: 1024 },
    ...{ features: clock, tick: 52.083, sums: ["4x4"] },
  },
  "a browser that tells nothing": { info: {}, sums: ["4x8", "8x4", "4x4"] },
};

/** The device of a pose, without what only this machine tells. */
const withPose = (pose: Pose, test: (gpu: Gpu) => Promise<void>, facts: AdapterFacts = {}) =>
  posing(pose, async () => {
    const gpu = await requestGpu({ facts: () => facts });
    try {
      await test(gpu);
    } finally {
      gpu.destroy();
    }
  });

const RESNET = conv([32, 32, 64], [3, 3, 64], { batch: 32, padding: [1, 1] });
const faces = [convForward, convInputGrad, convWeightGrad];

/** What a workgroup of a block needs, from "128x64 by 8x8, depth 8, 2 buffers". */
function needsOf(block: string) {
  const [height, width, rows, columns, depth, buffers] = block.match(/\d+/g)!.map(Number);
  const threads = [height / rows, width / columns];
  const line = (sums: number) => 4 * (sums * depth + 4);
  return {
    threads: threads[0] * threads[1],
    bytes: buffers * (threads[0] * line(rows) + threads[1] * line(columns)),
  };
}

for (const [name, { sums, ...pose }] of Object.entries(POSES)) {
  Deno.test(`${name}: kernels keep to its limits and its registers`, () =>
    withPose(pose, (gpu) => {
      assert.equal(gpu.isCpu, false);
      const target = { ...targetFor(gpu), moveCost: Infinity };
      assert.equal(target.workgroupMemory, gpu.limits.maxComputeWorkgroupStorageSize);
      for (const face of faces) {
        const chosen = face(RESNET, target).kernel.tunable!.variants;
        assert.match(chosen[0].name, new RegExp(` by (${sums.join("|")}),`), face.name);
        for (const { name } of chosen) {
          const { threads, bytes } = needsOf(name);
          assert.ok(threads <= gpu.limits.maxComputeInvocationsPerWorkgroup, name);
          assert.ok(bytes <= gpu.limits.maxComputeWorkgroupStorageSize, name);
        }
      }
      return Promise.resolve();
    }));

  Deno.test(`${name}: its kernels compute what the formula says`, () =>
    withPose(pose, async (gpu) => {
      const runtime = new Runtime(gpu);
      const x = random([4, 8, 8, 8]), w = random([3, 3, 8, 16]), v = random([1, 1, 16, 12]);
      const y = t.relu(t.conv2d(x, w, { padding: 1 }));
      const z = t.conv2d(y, v, { stride: 2 });
      const gradients = t.grad(t.sum(t.square(z)), [x, w, v]);
      const tensors = [z, ...gradients, ...t.grad(t.sum(t.square(gradients[0])), [w])];
      const found = await runtime.evaluate(tensors);
      interpret(tensors).forEach((wanted, i) =>
        assert.ok(relativeError(found[i], wanted) < 1e-5, `${tensors[i]}`)
      );
    }));
}

Deno.test("what the machine tells of an adapter's size counts more than its kind", async () => {
  const { info, limits } = POSES["NVIDIA H100"];
  const threadsOf = async (facts: AdapterFacts) => {
    let threads = 0;
    await withPose({ info, limits }, (gpu) => {
      threads = targetFor(gpu).threads;
      return Promise.resolve();
    }, facts);
    return threads;
  };
  assert.equal(await threadsOf({}), BLOCKS.threads);
  assert.equal(await threadsOf({ processors: 16 }), 16 * 2048);
});

Deno.test("the adapter is asked for the strongest, and for no more than it has", () =>
  posing(POSES["Apple M2"], async (asked) => {
    const gpu = await requestGpu();
    assert.equal(asked.options!.powerPreference, "high-performance");
    const { maxComputeWorkgroupStorageSize, maxBufferSize } = gpu.limits;
    assert.deepEqual([maxComputeWorkgroupStorageSize, maxBufferSize], [32768, 2 ** 28]);
    assert.deepEqual([...gpu.features], ["timestamp-query"]);
    gpu.destroy();
  }));

const onClock = { ignore: !(await testGpu()).features.has("timestamp-query") };

Deno.test("ticks of any length are told in milliseconds", onClock, async () => {
  for (const name of ["NVIDIA H100", "RDNA 2", "Intel Arc"]) {
    await withPose(POSES[name], async (gpu) => {
      const stamps = await Timestamps.make(gpu, 1);
      const encoder = gpu.device.createCommandEncoder();
      encoder.beginComputePass({ timestampWrites: stamps.pass(0) }).end();
      stamps.resolve(encoder);
      const before = performance.now();
      gpu.device.queue.submit([encoder.finish()]);
      const [{ begin, end }] = await stamps.read();
      const after = performance.now();
      stamps.destroy();
      assert.ok(begin > before - 5 && end < after + 5, `${name}: ${[before, begin, end, after]}`);
    });
  }
});

Deno.test("an adapter without a clock, or with small buffers, is told as one", async () => {
  await withPose(POSES["a browser that tells nothing"], async (gpu) => {
    await assert.rejects(
      Timestamps.make(gpu, 1),
      (error) =>
        error instanceof UserError && error.exitCode === ExitCode.gpu &&
        /tells no time/.test(error.message),
    );
    assert.throws(
      () => createBuffer(gpu, "activations", 2 ** 28),
      (error) =>
        error instanceof TooLarge &&
        /needs a buffer of 256\.0 MiB, and the GPU binds 128\.0 MiB at most/.test(error.message),
    );
  });
});
