/** The shader files by their names, and which of them a kernel is made of. */

import { glob } from "node:fs/promises";
import { basename } from "node:path";
import { ExitCode, UserError } from "../../engine/errors.ts";
import type { Kernel } from "../../engine/gpu/kernel.ts";
import { slotNames, slotOf } from "../../engine/gpu/render.ts";
import { readText } from "../../engine/io/files.ts";
import { didYouMean } from "../../engine/nearest.ts";

const FOLDER = new URL("../../shaders/", import.meta.url).pathname;

/** Texts by names such as "conv/tile.wgsl", as this program has loaded them. */
export type Shaders = ReadonlyMap<string, string>;

export async function readShaders(): Promise<Shaders> {
  const names: string[] = [];
  for await (const name of glob("*/*.wgsl", { cwd: FOLDER })) names.push(name);
  return new Map(
    await Promise.all(
      names.sort().map(async (name) => [name, await readText(FOLDER + name)] as const),
    ),
  );
}

/** The file of a kernel's shader, and those that lend it the text of slots. */
export function filesOf({ shader, slots = {} }: Kernel, shaders: Shaders): string[] {
  const lends = (text: string) =>
    slotNames(text).some((name) => slots[name] && slots[name] === slotOf(text, name));
  const own = [...shaders].filter(([, text]) => text === shader);
  const others = [...shaders].filter(([, text]) => text !== shader && lends(text));
  return [...own, ...others].map(([name]) => name);
}

/** The shader that an edited file is to stand for: the one of its name, or of a name given. */
export function shaderFor(file: string, shaders: Shaders, given = basename(file)): string {
  const wanted = given.endsWith(".wgsl") ? given : `${given}.wgsl`;
  const found = [...shaders.keys()].find((name) => name === wanted || basename(name) === wanted);
  if (found !== undefined) return found;
  throw new UserError(
    `no shader is named ${given}${didYouMean(wanted, shaders.keys())}`,
    ExitCode.usage,
    `say with --for which one ${file} stands for: ${[...shaders.keys()].join(", ")}`,
  );
}
