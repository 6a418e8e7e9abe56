/** Makes sure that a GPU adapter answers, a software one if need be. */
import { describeSilent, machineDevices } from "../engine/host/gpu.ts";
import { defineCommand } from "./framework/command.ts";

export const command = defineCommand({
  name: "setup",
  summary: "Make sure that a GPU adapter answers; install a software one where there is none",
  description:
    "As root on Debian or Ubuntu, Mesa's software Vulkan driver is installed by apt-get " +
    "(MODEL_DOCTOR_NO_INSTALL=1 prevents it). On other systems the command to run is printed.",
  flags: {},
  examples: [{ args: "", does: "say which adapter is used" }],
  async run(_flags, context) {
    const { adapter, isCpu } = await context.gpu();
    context.print(`adapter: ${adapter.name}, ${adapter.vendor}${isCpu ? ", on the CPU" : ""}`);
    for (const silent of machineDevices().silent) context.print(describeSilent(silent));
  },
});
