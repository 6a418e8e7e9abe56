/**
 * The GPU for a command: where no adapter answers and one can be installed, it is, and the same
 * command is started again, because Deno looks for drivers once in a process.
 */
import { ExitCode, UserError } from "../../engine/errors.ts";
import type { Gpu } from "../../engine/gpu/adapter.ts";
import { OtherEnvironment } from "../../engine/host/device.ts";
import { Unanswered } from "../../engine/host/drivers.ts";
import { openGpu } from "../../engine/host/gpu.ts";
import { canInstall, installSoftwareAdapter } from "../../engine/host/software.ts";
import { runAgain } from "./restart.ts";

/** Set in the process that was started again, so that it is not started a third time. */
const startedAgain = "MODEL_DOCTOR_STARTED_AGAIN";

/**
 * The GPU; does not return where the command was started again, but leaves with its exit code.
 *
 * @param tell is given each line for the user
 * @param device that the command line names
 * @throws UserError (noAdapter, gpu, usage)
 */
export async function openOrInstallGpu(
  tell: (line: string) => void,
  device: string | undefined,
): Promise<Gpu> {
  try {
    return await openGpu(device);
  } catch (error) {
    if (error instanceof OtherEnvironment) Deno.exit(await runAgain(error.environment));
    if (!isMendable(error) || !canInstall()) throw error;
    if (Deno.env.has(startedAgain)) {
      throw error instanceof Unanswered ? error : new UserError(
        "no GPU adapter answers, although Mesa's software Vulkan driver is installed",
        ExitCode.noAdapter,
        "`vulkaninfo --summary` of the package vulkan-tools says what the drivers complain about",
      );
    }
  }
  tell("No GPU adapter answers: installing a software one (Mesa's Vulkan driver for CPUs).");
  const begun = performance.now();
  await installSoftwareAdapter(tell);
  tell(`Installed in ${((performance.now() - begun) / 1000).toFixed(0)} s.`);
  Deno.exit(await runAgain({ [startedAgain]: "1" }));
}

/** Whether Mesa's drivers are what is missing. */
const isMendable = (error: unknown): boolean =>
  error instanceof Unanswered
    ? error.diagnosis.byMesa === true
    : error instanceof UserError && error.exitCode === ExitCode.noAdapter;
