/**
 * The GPU as this machine has it: `requestGpu` with what only Deno can tell, environment variables,
 * the processor, the tuned kernels on disk. A page in a browser calls `requestGpu` itself.
 *
 * MODEL_DOCTOR_TARGET=gpu or plain takes the kernels for GPUs, or those for any device, whatever
 * the adapter is; `adapter` lets it decide, as does an unset variable.
 */
import { ExitCode, UserError } from "../errors.ts";
import { type AdapterName, type Gpu, requestGpu } from "../gpu/adapter.ts";
import { namedTargets, type TargetName } from "../gpu/kernels/target.ts";
import { variantsOf } from "../gpu/tuning.ts";
import { adapterHint, hasAvx512 } from "./software.ts";
import { readTuning, tuningKey } from "./tuning.ts";

/**
 * A device on the most powerful adapter of this machine.
 *
 * On Linux this sets DENO_WEBGPU_BACKEND to "vulkan" where it is not set: OpenGL has no compute
 * shaders to speak of there and complains on stderr. Deno reads the variable at the first request
 * of the process.
 *
 * @throws UserError (noAdapter) with what to install on the system at hand; (gpu) where the adapter
 *   refuses a device; (usage) where MODEL_DOCTOR_TARGET names no kernels
 */
export async function openGpu(): Promise<Gpu> {
  prepareEnvironment();
  const target = targetByName(Deno.env.get("MODEL_DOCTOR_TARGET"));
  const backend = Deno.env.get("DENO_WEBGPU_BACKEND");
  try {
    return await requestGpu({
      ...{ backend, gathers: hasAvx512(), target, tuning: tunedVariants },
      memory: Deno.systemMemoryInfo().available,
    });
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== ExitCode.noAdapter) throw error;
    throw new UserError(error.message, error.exitCode, adapterHint());
  }
}

function prepareEnvironment(): void {
  if (Deno.build.os !== "linux") return;
  setIfUnset("DENO_WEBGPU_BACKEND", "vulkan");
  // Mesa's drivers look for a display even for computing, and complain on stderr where they are
  // not told where to look. This is where systemd puts it; there need be nothing there.
  setIfUnset("XDG_RUNTIME_DIR", `/run/user/${Deno.uid()}`);
}

function setIfUnset(name: string, value: string): void {
  if (!Deno.env.get(name)) Deno.env.set(name, value);
}

function targetByName(name: string | undefined): TargetName | undefined {
  if (!name || name === "adapter") return undefined;
  if (Object.hasOwn(namedTargets, name)) return name as TargetName;
  throw new UserError(
    `MODEL_DOCTOR_TARGET is "${name}", and there are no such kernels`,
    ExitCode.usage,
    `set it to ${Object.keys(namedTargets).join(" or ")}, or to adapter to let the adapter decide`,
  );
}

const tunedVariants = async (adapter: AdapterName) =>
  variantsOf(await readTuning(await tuningKey(adapter)));
