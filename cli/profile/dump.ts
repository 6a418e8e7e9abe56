/** The plan's shaders as files to read: what each is bound to and costs, and its text as it is run. */

import { annotated, factsOf } from "../../engine/gpu/annotate.ts";
import { render } from "../../engine/gpu/render.ts";
import { fileError, makeFolder, writeFileAtomic } from "../../engine/io/files.ts";
import type { Dispatch } from "../../engine/plan/dispatch.ts";
import { wrap } from "../../engine/prose.ts";
import { filesOf, readShaders, type Shaders } from "../kernel/shaders.ts";

/** Characters of a line. */
const COLUMNS = 100;

/** The files' names, by which those of an earlier dump are known. */
const NAME = /^\d{3,}-[\w.-]+\.wgsl$/;

/**
 * Writes them to a folder, in the order in which they first run, in the place of an earlier dump.
 * @throws UserError (io)
 */
export async function dumpShaders(folder: string, dispatches: readonly Dispatch[]): Promise<void> {
  const shaders = await readShaders();
  await makeFolder(folder);
  try {
    for await (const { name } of Deno.readDir(folder)) {
      if (NAME.test(name)) await Deno.remove(`${folder}/${name}`);
    }
  } catch (error) {
    throw fileError("write", folder, error);
  }
  const kernels = new Map(dispatches.map((dispatch) => [render(dispatch.kernel), dispatch]));
  for (const [k, dispatch] of [...kernels.values()].entries()) {
    const title = dispatch.kernel.label.replaceAll("->", "to").replace(/[^\w.]+/g, "-").slice(
      0,
      80,
    );
    const name = `${String(k + 1).padStart(3, "0")}-${title}.wgsl`;
    await writeFileAtomic(`${folder}/${name}`, textOf(dispatch, shaders));
  }
}

function textOf({ kernel, buffers }: Dispatch, shaders: Shaders): string {
  const files = filesOf(kernel, shaders).map((name) => `shaders/${name}`);
  const shapes = buffers.map(({ shape }) => shape);
  const head = [kernel.label, files.join(", "), ...factsOf(kernel, shapes)];
  const remarks = head.map((line) => wrap(`// ${line}`, COLUMNS, "//   ")).join("\n");
  return `${remarks}\n\n${annotated(kernel, files[0])}`;
}
