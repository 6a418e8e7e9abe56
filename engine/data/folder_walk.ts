/**
 * The files of a folder. Links are followed, as torchvision follows them, but none leads twice to
 * the same folder, so none leads in circles. What is passed over is noted.
 */
import { extname, join } from "node:path";
import { ExitCode } from "../errors.ts";
import { fileError } from "../io/files.ts";
import { IMAGE_ENDINGS } from "../io/image.ts";
import type { Notes } from "./notes.ts";
import type { Part } from "./part_names.ts";

/** An image of a folder. */
export interface Listed {
  readonly path: string;
  /** The class's name. */
  readonly label: string;
  /** undefined where the folder doesn't tell parts apart. */
  readonly part?: Part;
}

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
  if (isDirectory) return "folder";
  if (!isSymlink) return "neither a file nor a folder";
  const target = await Deno.stat(path).catch(() => undefined);
  if (!target) return DEAD;
  return target.isFile ? "file" : target.isDirectory ? "folder" : "neither a file nor a folder";
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
