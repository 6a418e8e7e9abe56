/**
 * From a kernel to a pipeline. What the platform's compiler complains about stands somewhere in
 * expanded text; the error names the line of the shader's file that it comes from.
 */

import { ExitCode, UserError } from "../errors.ts";
import type { Gpu } from "./adapter.ts";
import { expandLines, type Line } from "./expand.ts";
import type { Kernel } from "./kernel.ts";
import { placesOf, render } from "./render.ts";

/** @throws UserError (gpu) that names the kernel, and where the shader is wrong its line */
export async function compile(gpu: Gpu, kernel: Kernel): Promise<GPUComputePipeline> {
  const { device, directives } = gpu;
  const { label } = kernel;
  const lines = expandLines(render(kernel), placesOf(kernel));
  const code = directives + lines.map(({ text }) => text).join("\n") + "\n";
  let module: GPUShaderModule | undefined;
  try {
    const begun = performance.now();
    const pipeline = await gpu.scoped(label, () => {
      module = device.createShaderModule({ label, code });
      const compute = { module, entryPoint: "main" };
      return device.createComputePipeline({ label, layout: "auto", compute });
    });
    gpu.log?.made(kernel, performance.now() - begun);
    return pipeline;
  } catch (error) {
    const skipped = directives.split("\n").length - 1;
    throw (module && await shaderError(label, module, lines, skipped)) ?? error;
  }
}

/** @param skipped lines that the module has before the expanded ones */
async function shaderError(
  label: string,
  module: GPUShaderModule,
  lines: readonly Line[],
  skipped: number,
): Promise<UserError | undefined> {
  const { messages } = await module.getCompilationInfo();
  const first = messages.find(({ type }) => type === "error");
  if (!first) return undefined;
  const line = lines[first.lineNum - 1 - skipped];
  const where = line ? `${line.place}: ` : "";
  const text = line ? `: ${line.text.trim()}` : "";
  const message = `${where}${wording(first.message)}${text} (in ${label})`;
  return new UserError(message, ExitCode.gpu);
}

/** naga's message is a drawing of several lines, with what matters in the first and at the mark. */
function wording(message: string): string {
  const [first = message] = message.split("\n").filter((line) => line.trim() !== "");
  const said = first.replace(/^Shader .*? (?:parsing|validation) error: /, "").trim();
  const marked = /\^+ (.+)/.exec(message)?.[1].trim();
  return marked && !said.includes(marked) ? `${said} (${marked})` : said;
}
