/** What went wrong on the device, as errors that can be shown. */
import { ExitCode, OutOfMemory, UserError } from "../errors.ts";

/** @param label what was being done */
export function gpuError(error: unknown, label?: string): UserError {
  if (error instanceof UserError) return error;
  const at = `${label ? ` at ${label}` : ""}: ${messageOf(error).trim()}`;
  const options = { cause: error };
  if (error instanceof GPUOutOfMemoryError) {
    const message = `the GPU has no memory left${at}`;
    return new OutOfMemory(message, "a smaller --batch needs less memory", undefined, options);
  }
  return new UserError(`the GPU reported an error${at}`, ExitCode.gpu, undefined, options);
}

export const lostError = (message: string): UserError =>
  new UserError(
    `the GPU device was lost${/^(device was lost)?\.?$/i.test(message) ? "" : `: ${message}`}`,
    ExitCode.gpu,
    "the driver was reset, or a kernel ran longer than the system allows; a smaller --batch helps",
  );

export const messageOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "message" in error
    ? String(error.message)
    : String(error);
