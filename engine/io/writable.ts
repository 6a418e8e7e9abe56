/**
 * Whether a place can be written to, found out before the work whose result goes there: nothing is
 * left behind, and nothing is made that was not there. Where the process is killed on the way, what
 * it leaves has the name of a file that was half written.
 */
import { dirname, join, resolve } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileError, partialOf, removeIfThere } from "./files.ts";

/** @throws UserError (io) where the folder can neither be made nor written in */
export async function requireWritableFolder(path: string): Promise<void> {
  let place = resolve(path);
  let info = await infoOf(place);
  while (info === undefined && dirname(place) !== place) {
    place = dirname(place);
    info = await infoOf(place);
  }
  if (info && !info.isDirectory) {
    throw new UserError(
      `the folder ${path} can't be made: ${place} is a file`,
      ExitCode.io,
      "name another folder",
    );
  }
  try {
    const probe = partialOf(join(place, ".model-doctor"));
    await Deno.writeFile(probe, new Uint8Array(), { createNew: true });
    await removeIfThere(probe);
  } catch (error) {
    throw fileError("write in", place, error);
  }
}

/** @throws UserError (io) where a file can't be written: there is no folder for it, or one is there */
export async function requireWritableFile(path: string): Promise<void> {
  if ((await infoOf(path))?.isDirectory) {
    throw new UserError(`cannot write ${path}: it is a folder`, ExitCode.io, "name a file in it");
  }
  const folder = dirname(resolve(path));
  if (await infoOf(folder) === undefined) {
    throw new UserError(`cannot write ${path}: there is no folder ${folder}`, ExitCode.io);
  }
  await requireWritableFolder(folder);
}

/** What is at the path, or undefined where nothing is. */
async function infoOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    const { code } = error as { code?: string };
    if (error instanceof Deno.errors.NotFound || code === "ENOTDIR") return undefined;
    throw fileError("look at", path, error);
  }
}
