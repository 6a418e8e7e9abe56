/**
 * Which of the platform's interfaces WebGPU is to use. Deno reads that from the environment at the
 * first request of the process.
 *
 * On Linux it is Vulkan: OpenGL has no compute shaders to speak of there and complains on stderr. On
 * Windows it is Vulkan too: Direct3D 12 compiles shaders with FXC where nothing else is said, which
 * takes minutes for kernels as they are here, whose loops are written out.
 */
import { ExitCode, UserError } from "../errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The variables that are to be set.
 * @param warn is told, in a line, what will be slow
 * @throws UserError (usage) where Direct3D 12 was asked for without a compiler
 */
export function backendVariables(
  os: string,
  environment: Environment,
  warn: (message: string) => void,
): Record<string, string> {
  const { DENO_WEBGPU_BACKEND: backend, DENO_WEBGPU_DX12_COMPILER: compiler } = environment;
  if (!backend) return os === "linux" || os === "windows" ? { DENO_WEBGPU_BACKEND: "vulkan" } : {};
  if (os !== "windows" || !backend.split(",").includes("dx12")) return {};
  if (!compiler) {
    throw new UserError(
      `DENO_WEBGPU_BACKEND=${backend} compiles shaders with FXC, which takes minutes for these`,
      ExitCode.usage,
      "set DENO_WEBGPU_DX12_COMPILER=dxc, with dxcompiler.dll on the PATH, or leave " +
        "DENO_WEBGPU_BACKEND out and so use Vulkan",
    );
  }
  if (compiler === "fxc") warn("Direct3D's compiler FXC takes minutes for these shaders");
  return {};
}
