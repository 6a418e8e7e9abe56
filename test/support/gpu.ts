/** Runs single kernels for tests: one device for the whole file, arrays in, array out. */
import { expand } from "../../engine/gpu/expand.ts";
import type { Kernel } from "../../engine/gpu/kernel.ts";

let shared: Promise<GPUDevice> | undefined;

/** The device that all tests of this process use, with the adapter's own limits. */
export function testDevice(): Promise<GPUDevice> {
  return shared ??= requestDevice();
}

async function requestDevice(): Promise<GPUDevice> {
  if (Deno.build.os === "linux") Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("no WebGPU adapter: run `deno task setup`");
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
  return await adapter.requestDevice({
    requiredFeatures: ["subgroups" as GPUFeatureName, "float32-filterable"],
    requiredLimits: { maxStorageBufferBindingSize, maxBufferSize },
  });
}

/** The kernel's pipeline, its shader expanded; throws with the shader's messages if it is wrong. */
export async function compile(device: GPUDevice, kernel: Kernel): Promise<GPUComputePipeline> {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ label: kernel.label, code: expand(kernel.source) });
  const pipeline = device.createComputePipeline({
    layout: "auto",
    compute: { module, entryPoint: "main" },
  });
  const error = await device.popErrorScope();
  if (error) throw new Error(`${kernel.label}: ${error.message}`);
  return pipeline;
}

/** Runs a kernel `runs` times, each on a fresh output full of NaN, and reads each output back. */
export async function runKernel(
  kernel: Kernel,
  inputs: readonly Float32Array<ArrayBuffer>[],
  outputLength: number,
  runs = 1,
): Promise<Float32Array[]> {
  const device = await testDevice();
  const pipeline = await compile(device, kernel);
  device.pushErrorScope("validation");
  const { COPY_SRC, COPY_DST, MAP_READ, STORAGE } = GPUBufferUsage;
  const operands = inputs.map((data) => {
    const buffer = device.createBuffer({ size: data.byteLength, usage: STORAGE | COPY_DST });
    device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  });
  const size = outputLength * 4;
  const output = device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
  const entries = [...operands, output].map((buffer, binding) => ({
    binding,
    resource: { buffer },
  }));
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const results: Float32Array[] = [];
  for (let run = 0; run < runs; run++) {
    device.queue.writeBuffer(output, 0, new Float32Array(outputLength).fill(NaN));
    const readback = device.createBuffer({ size, usage: MAP_READ | COPY_DST });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...kernel.workgroups);
    pass.end();
    encoder.copyBufferToBuffer(output, 0, readback, 0, size);
    device.queue.submit([encoder.finish()]);
    await readback.mapAsync(GPUMapMode.READ);
    results.push(new Float32Array(readback.getMappedRange().slice(0)));
    readback.destroy();
  }
  for (const buffer of [...operands, output]) buffer.destroy();
  const error = await device.popErrorScope();
  if (error) throw new Error(`${kernel.label}: ${error.message}`);
  return results;
}
