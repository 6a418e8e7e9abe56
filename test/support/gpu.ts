/** Runs single kernels for tests: one device for the whole file, arrays in, array out. */
import type { Gpu } from "../../engine/gpu/adapter.ts";
import { expand } from "../../engine/gpu/expand.ts";
import { type Kernel, spread, TEXTURE_WIDTH, textureFormat } from "../../engine/gpu/kernel.ts";
import { render } from "../../engine/gpu/render.ts";
import { BLOCKS, PLAIN, type Target } from "../../engine/gpu/kernels/target.ts";
import { openGpu } from "../../engine/host/gpu.ts";

let shared: Promise<Gpu> | undefined;

/** The GPU that all tests of this process use. */
export function testGpu(): Promise<Gpu> {
  return shared ??= openGpu();
}

export async function testDevice(): Promise<GPUDevice> {
  return (await testGpu()).device;
}

/** Every target that the device at hand can run, the plain one first. */
export async function testTargets(): Promise<Target[]> {
  const lanes = (await testGpu()).subgroupSize;
  const targets = [PLAIN, BLOCKS, { ...PLAIN, textures: true }];
  if (lanes > 1) targets.push({ ...PLAIN, lanes }, { ...PLAIN, lanes, textures: true });
  return targets;
}

/** The kernel's pipeline, its shader expanded; throws with the shader's messages if it is wrong. */
export async function compile(device: GPUDevice, kernel: Kernel): Promise<GPUComputePipeline> {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ label: kernel.label, code: expand(render(kernel)) });
  const layout = device.createPipelineLayout({ bindGroupLayouts: [bindings(device, kernel)] });
  const pipeline = device.createComputePipeline({ layout, compute: { module } });
  const error = await device.popErrorScope();
  if (error) throw new Error(`${kernel.label}: ${error.message}`);
  return pipeline;
}

/** The layout of group 0. */
function bindings(device: GPUDevice, { operands }: Kernel): GPUBindGroupLayout {
  const visibility = GPUShaderStage.COMPUTE;
  const entries = operands.map(({ element, storage, role }, binding): GPUBindGroupLayoutEntry => {
    if (storage === "texture") {
      const format = textureFormat(element)!;
      return { binding, visibility, storageTexture: { access: "read-only", format } };
    }
    const type = role === "read" ? "read-only-storage" : "storage";
    return { binding, visibility, buffer: { type } };
  });
  return device.createBindGroupLayout({ entries });
}

/** An operand on the device, as a buffer or, where the kernel wants it so, as a texture. */
export function upload(
  device: GPUDevice,
  kernel: Kernel,
  binding: number,
  data: Float32Array<ArrayBuffer>,
): GPUBuffer | GPUTexture {
  const { element, storage } = kernel.operands[binding];
  const format = textureFormat(element);
  if (storage === "buffer" || !format) {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const buffer = device.createBuffer({ size: data.byteLength, usage });
    device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }
  const channels = format === "r32float" ? 1 : 4;
  const rows = Math.ceil(data.length / channels / TEXTURE_WIDTH);
  const size = [TEXTURE_WIDTH, rows];
  const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_DST;
  const texture = device.createTexture({ size, format, usage });
  const texels = new Float32Array(rows * TEXTURE_WIDTH * channels);
  texels.set(data);
  device.queue.writeTexture(
    { texture },
    texels,
    { bytesPerRow: TEXTURE_WIDTH * 4 * channels },
    size,
  );
  return texture;
}

export function asResource(operand: GPUBuffer | GPUTexture): GPUBindingResource {
  return operand instanceof GPUTexture ? operand.createView() : { buffer: operand };
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
  const operands = inputs.map((data, binding) => upload(device, kernel, binding, data));
  const size = outputLength * 4;
  const output = device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
  const readback = device.createBuffer({ size: size * runs, usage: MAP_READ | COPY_DST });
  const entries = [...operands, output].map((operand, binding) => ({
    binding,
    resource: asResource(operand),
  }));
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  for (let run = 0; run < runs; run++) {
    device.queue.writeBuffer(output, 0, new Float32Array(outputLength).fill(NaN));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...spread(kernel.workgroups));
    pass.end();
    encoder.copyBufferToBuffer(output, 0, readback, size * run, size);
    device.queue.submit([encoder.finish()]);
  }
  await readback.mapAsync(GPUMapMode.READ);
  const all = readback.getMappedRange().slice(0);
  for (const resource of [...operands, output, readback]) resource.destroy();
  const error = await device.popErrorScope();
  if (error) throw new Error(`${kernel.label}: ${error.message}`);
  return Array.from({ length: runs }, (_, run) => new Float32Array(all, size * run, outputLength));
}

/** Deterministic values in -1 .. 1 that no symmetry of an index error leaves unchanged. */
export function noise(length: number, seed: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(length);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = state / 2 ** 31 - 1;
  }
  return values;
}

/** Euclidean distance of two arrays over the length of the second; NaN if either holds one. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let distance = 0, length = 0;
  for (let i = 0; i < expected.length; i++) {
    distance += (actual[i] - expected[i]) ** 2;
    length += expected[i] ** 2;
  }
  return length === 0 ? Math.sqrt(distance) : Math.sqrt(distance / length);
}
