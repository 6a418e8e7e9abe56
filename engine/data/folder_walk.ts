/**
 * The files of a folder. Links are followed, as torchvision follows them, but none leads twice to
 * the same folder, so none leads in circles. What is passed over is noted.
 */
import { extname, join } from "node:path";
import { ExitCode } from "../errors.ts";
import { fileError, fileExists, readText } from "../io/files.ts";
import { CONFIG } from "../run/config_schema.ts";
import { IMAGE_ENDINGS } from "../io/image.ts";
import type { Notes } from "./notes.ts";

/** What `sift` leaves in a folder. */
export const MANIFEST = "manifest.json";

export const isImage = (name: string) => IMAGE_ENDINGS.includes(extname(name).toLowerCase());

export interface Entries {
  readonly files: string[];
  readonly folders: string[];
  /** Links that lead nowhere. */
  readonly dead: string[];
}

/** The names in a folder, sorted, without hidden ones. @throws UserError (data) that names it */
export async function entries(folder: string, notes?: Notes): Promise<Entries> {
  const found: Entries = { files: [], folders: [], dead: [] };
  try {
    for await (const entry of Deno.readDir(folder)) {
      const path = join(folder, entry.name);
      const kind = await kindOf(path, entry);
      if (kind === "file" || kind === "folder") {
        (kind === "file" ? found.files : found.folders).push(entry.name);
      } else {
        if (kind === DEAD) found.dead.push(entry.name);
        notes?.leaveOut(kind, path);
      }
    }
  } catch (error) {
    throw fileError("read", folder, error, ExitCode.data);
  }
  found.files.sort();
  found.folders.sort();
  return found;
}

const DEAD = "links that lead nowhere";

/** What an entry is, or why it is passed over. */
async function kindOf(path: string, { name, isFile, isDirectory, isSymlink }: Deno.DirEntry) {
  // What macOS leaves in archives holds a shadow of each image.
  if (name.startsWith(".") || name === "__MACOSX") return "hidden";
  if (isFile) return "file";
  if (isDirectory) return await isOwn(path) ? "folders that runs or sift wrote" : "folder";
  if (!isSymlink) return "neither a file nor a folder";
  const target = await Deno.stat(path).catch(() => undefined);
  if (!target) return DEAD;
  return target.isFile ? "file" : target.isDirectory ? "folder" : "neither a file nor a folder";
}

/** Files that commands here leave, and how they begin. */
const OWN = [[CONFIG, /^\{\s*"command": "/], [
  MANIFEST,
  /^\{\s*"version": \d+,\s*"data": "/,
]] as const;

/** Whether a command here left the folder: a run, a set of runs, pictures to be drawn on. */
async function isOwn(folder: string): Promise<boolean> {
  for (const [name, beginning] of OWN) {
    const path = join(folder, name);
    if (await fileExists(path) && beginning.test(await readText(path).catch(() => ""))) return true;
  }
  const folders: string[] = [];
  for await (const { name, isDirectory } of readable(folder)) {
    if (isImage(name)) return false;
    if (isDirectory) folders.push(join(folder, name));
  }
  for (const inner of folders) if (!await isOwn(inner)) return false;
  return folders.length > 0;
}

/** What is in a folder; nothing where it can't be read, which whoever reads it tells. */
async function* readable(folder: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(folder);
  } catch { /* see above */ }
}

/** The files under a folder, at any depth. */
export async function* filesUnder(
  folder: string,
  notes: Notes,
  visited: Set<string> = new Set(),
): AsyncGenerator<string> {
  const place = await Deno.realPath(folder).catch((error) => {
    throw fileError("read", folder, error, ExitCode.data);
  });
  if (visited.has(place)) {
    notes.leaveOut("links to a folder that was read already, or that they lie in", folder);
    return;
  }
  visited.add(place);
  const { files, folders } = await entries(folder, notes);
  for (const file of files) yield join(folder, file);
  for (const inner of folders) yield* filesUnder(join(folder, inner), notes, visited);
}

/** Formats of images that are not read. */
const OTHER_FORMATS = ".avif .bmp .dng .heic .heif .jp2 .jxl .pbm .pgm .pnm .ppm .svg .tga".split(
  " ",
);

/** Why a file is no image. */
export function otherFile(name: string): string {
  const ending = extname(name).toLowerCase();
  if (OTHER_FORMATS.includes(ending)) return `images of a format that isn't read (${ending})`;
  return `other files (${ending || "without an ending"})`;
}
