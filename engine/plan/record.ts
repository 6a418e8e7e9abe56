/** Dispatches with their pipelines and bind groups, made once, and how they are recorded. */

import { spread, textureInputs } from "../gpu/kernel.ts";
import { bytesOf, type Memory } from "./allocate.ts";
import type { Resources } from "./resources.ts";
import type { Dispatch } from "./dispatch.ts";
import { type TextureCopy, TextureMap } from "./textures.ts";

/** A dispatch, ready to be recorded, and the copies to textures that come before it. */
export interface Command extends Dispatch {
  readonly copies: readonly BufferCopy[];
  /** Workgroups in x, y and z. */
  readonly workgroups: readonly [number, number, number];
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
}

/** A copy to a texture with the buffer that it is copied from. */
export interface BufferCopy extends TextureCopy {
  readonly buffer: GPUBuffer;
}

/** Compiles every kernel and binds its memory. @throws UserError (gpu) that names a wrong kernel */
export async function prepare(
  resources: Resources,
  dispatches: readonly Dispatch[],
  { place, copies }: Memory,
): Promise<Command[]> {
  const commands: Command[] = [];
  const copiesBefore = Map.groupBy(copies, ({ before }) => before);
  const textures = new TextureMap<GPUTexture>();
  for (const [at, dispatch] of dispatches.entries()) {
    const due = (copiesBefore.get(at) ?? [])
      .map((copy) => ({ ...copy, buffer: place.get(copy.storage)! }));
    for (const { storage, format, texture } of due) textures.set(storage, format, texture);
    const { pipeline, bindGroup } = await bind(resources, dispatch, place, textures);
    const workgroups = spread(dispatch.kernel.workgroups, resources.target.workgroupsPerDimension);
    commands.push({ ...dispatch, copies: due, workgroups, pipeline, bindGroup });
  }
  return commands;
}

async function bind(
  resources: Resources,
  { kernel, buffers }: Dispatch,
  place: Memory["place"],
  textures: TextureMap<GPUTexture>,
) {
  const { label } = kernel;
  const inputs = textureInputs(kernel);
  const pipeline = await resources.pipeline(kernel);
  const entries = buffers.map((storage, binding) => {
    const input = inputs.find((input) => input.binding === binding);
    const resource = input
      ? textures.get(storage, input.format)!.createView()
      : { buffer: place.get(storage)!, size: bytesOf(storage) };
    return { binding, resource };
  });
  const layout = pipeline.getBindGroupLayout(0);
  const { gpu } = resources;
  const bindGroup = await gpu.scoped(
    label,
    () => gpu.device.createBindGroup({ label, layout, entries }),
  );
  return { pipeline, bindGroup };
}

export function recordDispatch(pass: GPUComputePassEncoder, command: Command): void {
  pass.setPipeline(command.pipeline);
  pass.setBindGroup(0, command.bindGroup);
  pass.dispatchWorkgroups(...command.workgroups);
}
