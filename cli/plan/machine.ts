/** The GPU that a plan is for, which need not be here: by the name of its kind, or by a certificate. */

import { type Certificate, partsOf, readCertificate } from "../../engine/certify/certificate.ts";
import type { Machine } from "../../engine/certify/prediction.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { BYTES_SHARE, GPU_KINDS, gpuKind } from "../../engine/gpu/kernels/processors.ts";
import { BLOCKS, type TargetDevice, targetFor } from "../../engine/gpu/kernels/target.ts";
import { showBytes } from "../../engine/plan/buffers.ts";
import type { Site } from "../../engine/plan/resources.ts";
import type { Stage } from "../profile/stage.ts";

export interface PlannedMachine extends Site {
  /** What it is, and where its figures come from, in a line. */
  readonly what: string;
  /** Absent where steps are not to be timed. */
  readonly machine?: Machine;
  /** Bytes that are free on it, where that is known. */
  readonly memory?: number;
  /** How many times the predicted time a step took there, where that was measured. */
  ofPredicted(model: string, stage: Stage): number | undefined;
}

/** What most GPUs allow on Vulkan, as far as kernels ask. */
const USUAL = {
  maxComputeWorkgroupStorageSize: 48 << 10,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupsPerDimension: 65535,
  maxTextureDimension2D: 16384,
  maxStorageBufferBindingSize: 2 ** 31 - 4,
  maxStorageBuffersPerShaderStage: 16,
};

/** Microseconds of a tiny kernel that waits for the one before: what recent GPUs take. */
const DISPATCH_US = 3;

/** Limits where those of no adapter are known. @param binding bytes that it binds, where told */
const limitsWith = (binding: number | undefined) => ({
  ...USUAL,
  ...binding !== undefined && { maxStorageBufferBindingSize: binding - binding % 4 },
});

const bindsInWords = (binding: number | undefined): string =>
  binding === undefined
    ? "binds buffers of 2 GiB, as most do (--binding-size says otherwise)"
    : `binds buffers of ${showBytes(binding)}`;

/** The kernels for GPUs, and no times. @param binding bytes of a buffer that it binds */
export function anyGpu(binding?: number): PlannedMachine {
  const limits = limitsWith(binding);
  return {
    what: `a GPU that ${bindsInWords(binding)}; --gpu or --certificate names one, for times`,
    ...{ gpu: { limits }, target: { ...BLOCKS, operandBytes: limits.maxStorageBufferBindingSize } },
    ofPredicted: () => undefined,
  };
}

/**
 * @param binding bytes of a buffer that it binds
 * @throws UserError (usage) where no kind of GPU has such a name
 */
export function namedGpu(name: string, binding?: number): PlannedMachine {
  const looks = { vendor: "", architecture: "", name };
  const kind = gpuKind(looks);
  if (kind === GPU_KINDS.at(-1)) {
    throw new UserError(
      `--gpu: no kind of GPU is known by the name ${name}`,
      ExitCode.usage,
      'name it with its vendor, as "NVIDIA H100" or "AMD Radeon RX 7900 XTX", or measure it with ' +
        "deno task certify and give --certificate",
    );
  }
  const { teraflops, terabytes } = kind;
  const limits = limitsWith(binding);
  return {
    what: `${name}: figures of the kind "${kind.name}" (${teraflops} TFLOP/s, ${terabytes} TB/s, ` +
      `${DISPATCH_US} us a dispatch), not measured; it ${bindsInWords(binding)}`,
    ...{ gpu: { limits }, target: targetFor({ ...UNKNOWN, limits, adapter: looks }) },
    machine: {
      gflops: 1000 * teraflops,
      gbPerSecond: BYTES_SHARE * 1000 * terabytes,
      dispatchUs: DISPATCH_US,
    },
    ofPredicted: () => undefined,
  };
}

const UNKNOWN: Omit<TargetDevice, "adapter" | "limits"> = {
  ...{ isCpu: false, gathers: false, subgroupSize: 1, tuning: new Map(), facts: {} },
};

/** @throws UserError (io) where the file is none, (usage) where its roofline was not measured */
export async function certifiedGpu(path: string): Promise<PlannedMachine> {
  const hint = "name the certificate.json that deno task certify writes on the GPU's machine";
  const certificate = await readCertificate(path, { what: "certificate", hint });
  const { subject, machine: { facts, limits: own } } = certificate;
  const [roofline] = partsOf(certificate, "roofline");
  if (roofline === undefined) {
    throw new UserError(
      `${path} does not say what the adapter can do`,
      ExitCode.usage,
      "measure it with deno task certify --parts roofline,dispatch",
    );
  }
  const limits = { ...USUAL, ...own };
  const processors = facts.processors === undefined ? undefined : Number(facts.processors);
  const { gflops, gbPerSecond } = roofline;
  const dispatchUs = partsOf(certificate, "dispatch")[0]?.deviceUs ?? DISPATCH_US;
  return {
    what: `${subject.adapter}, as ${path} has it (${(gflops / 1000).toFixed(1)} TFLOP/s, ` +
      `${gbPerSecond.toFixed(0)} GB/s, ${dispatchUs.toFixed(1)} us a dispatch)`,
    gpu: { limits },
    target: targetFor({
      ...{ ...UNKNOWN, limits, facts: { processors } },
      isCpu: String(facts.kind).startsWith("software"),
      subgroupSize: Number(facts["subgroup size"] ?? 1),
      adapter: { ...subject, name: subject.adapter, architecture: `${facts.architecture ?? ""}` },
    }),
    machine: { gflops, gbPerSecond, dispatchUs },
    memory: bytesIn(facts["free memory"]),
    ofPredicted: (model, stage) => measuredFactor(certificate, model, stage),
  };
}

/** "78.6 GiB" */
function bytesIn(text: string | number | undefined): number | undefined {
  const [, count, unit] = /^([\d.]+) ([MG])iB$/.exec(`${text}`) ?? [];
  return unit === undefined ? undefined : Number(count) * 2 ** (unit === "G" ? 30 : 20);
}

function measuredFactor(certificate: Certificate, model: string, stage: Stage) {
  const found = partsOf(certificate, "steps").find((part) => part.model === model)
    ?.stages.find((of) => of.stage === stage);
  return found && found.ms / found.predictedMs;
}
