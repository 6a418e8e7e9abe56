/**
 * Which images a folder holds, with their classes and their part: `class/image.png`, the same
 * inside of train, val and test, or tables (csv) that name file and class. Where a folder may be
 * read in two ways, that is an error which names the flag that settles it.
 */
import { dirname, extname, join, relative, resolve } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import type { FilePart } from "../io/file_part.ts";
import { readBytes } from "../io/files.ts";
import { IMAGE_ENDINGS } from "../io/image.ts";
import { streamId } from "../random.ts";
import { findParts, type Layout } from "./folder_layout.ts";
import { fromTables } from "./folder_tables.ts";
import { type Entries, entries, filesUnder, isImage, otherFile } from "./folder_walk.ts";
import { type List, mapped, repeated } from "./list.ts";
import { Listing } from "./listing.ts";
import type { Notes } from "./notes.ts";
import type { Part } from "./part_names.ts";

export interface ListOptions {
  readonly layout?: Layout;
  /** Whether a table may name images outside of its folder. */
  readonly outside?: boolean;
}

/**
 * The images of a folder, in the order of their paths or of the tables' rows.
 * @throws UserError (data) that says what the folder or the table lacks; (usage) for an option
 * that has no effect here
 */
export async function listImages(
  folder: string,
  { layout = "auto", outside = false }: ListOptions,
  notes: Notes,
): Promise<Listing> {
  const found = await entries(folder, notes);
  const tables = found.files.filter((file) => extname(file).toLowerCase() === ".csv");
  const idle = tables.length > 0 ? layout !== "auto" && "--layout" : outside && "--outside";
  if (idle) {
    throw new UserError(
      `${idle} has no effect: ${folder} has ${tables.length > 0 ? "a table" : "no table (.csv)"}`,
      ExitCode.usage,
    );
  }
  const listed = tables.length > 0
    ? Listing.of(await fromTables(folder, tables, outside, notes))
    : await fromFolders(folder, found, layout, notes);
  if (listed.length === 0) throw noImages(folder);
  return listed;
}

async function fromFolders(
  folder: string,
  found: Entries,
  layout: Layout,
  notes: Notes,
): Promise<Listing> {
  await passOver(folder, found, notes);
  const { folders } = found;
  const parts = await findParts(folder, folders, layout, notes);
  const listed = new Listing();
  if (parts.length === 0) await addClasses(listed, folder, folders, layout, notes);
  for (const { name, part } of parts) {
    const inner = join(folder, name);
    const found = await entries(inner, notes);
    await passOver(inner, found, notes);
    await addClasses(listed, inner, found.folders, layout, notes, part);
  }
  return listed;
}

/**
 * Notes the files beside folders of classes or parts.
 * @throws UserError (data) where one was a link to such a folder, and leads nowhere now
 */
async function passOver(folder: string, { files, dead }: Entries, notes: Notes): Promise<void> {
  const lost = dead.find((name) => extname(name) === "");
  if (lost !== undefined) {
    throw new UserError(
      `${join(folder, lost)} is a link that leads nowhere: is a class or part missing?`,
      ExitCode.data,
      "Put the folder there, or take the link away.",
    );
  }
  for (const file of files) {
    await refuseLostLink(join(folder, file));
    notes.leaveOut(stray(file), join(folder, file));
  }
}

/**
 * A link becomes a text file with its target where a checkout or an archive can't keep links.
 * @throws UserError (data) where a file without an ending is one to a folder elsewhere
 */
async function refuseLostLink(path: string): Promise<void> {
  if (extname(path) !== "" || (await Deno.stat(path)).size > LONGEST_LINK) return;
  const target = new TextDecoder().decode(await readBytes(path, ExitCode.data)).trim();
  if (!target.includes("/") || target.includes("\0") || target.includes("\n")) return;
  const isFolder = await Deno.stat(resolve(dirname(path), target))
    .then((info) => info.isDirectory, () => false);
  if (!isFolder) return;
  throw new UserError(
    `${path} is a text file that names the folder ${target}: a link that was lost in copying`,
    ExitCode.data,
    "Make the link anew or copy the folder to its place, or take the file away.",
  );
}

const LONGEST_LINK = 4096;

const stray = (file: string) => isImage(file) ? "images in no class's folder" : otherFile(file);

/** What folders beside each other are called that hold kinds of files and no classes. */
const KINDS_OF_FILES = ["images", "imgs", "masks", "labels", "annotations", "segmentations"];

/** Adds the images in a folder for each class, at any depth. */
async function addClasses(
  listed: Listing,
  folder: string,
  classes: readonly string[],
  layout: Layout,
  notes: Notes,
  part?: Part,
): Promise<void> {
  if (layout === "auto" && classes.some(isKindOfFiles) && classes.every(isKindOfFiles)) {
    throw new UserError(
      `${folder} holds ${classes.join(" and ")}, which do not look like classes`,
      ExitCode.data,
      "Put images into a folder for each class, or name their classes in a table (.csv); if these " +
        "are the classes, say what the folders are with --layout.",
    );
  }
  for (const label of classes) {
    const before = listed.length;
    const others = new Map<string, number>();
    const visited = new Set([await Deno.realPath(folder)]);
    for await (const path of filesUnder(join(folder, label), notes, visited)) {
      if (isImage(path)) listed.add({ path, label, part });
      else {
        const why = otherFile(path);
        notes.leaveOut(why, path);
        others.set(why, (others.get(why) ?? 0) + 1);
      }
    }
    if (listed.length > before) continue;
    const unread = [...others].filter(([why]) => why.startsWith("images"));
    throw noImages(join(folder, label), unread.map(([why, count]) => `${count} ${why}`));
  }
}

const isKindOfFiles = (name: string) => KINDS_OF_FILES.includes(name.toLowerCase());

/** How an image is spoken of: its path in the folder, without its ending. */
export function imageName(folder: string, path: string): string {
  const isPlain = path.startsWith(`${folder}/`) && !path.includes("\\");
  const inside = isPlain
    ? path.slice(folder.length + 1)
    : relative(folder, path).replaceAll("\\", "/").replace(/^(?:\.\.\/)+/, "");
  return inside.slice(0, inside.length - extname(inside).length);
}

/** The names of images; where two would be called the same, with their endings, then numbers. */
export function imageNames(folder: string, images: List<FilePart>): List<string> {
  let names = mapped(images, ({ path }) => imageName(folder, path));
  let change = (name: string, i: number) => name + extname(images.at(i)!.path);
  for (let several = repeated(names, streamId); several.size > 0;) {
    const [shared, changed] = [several, change];
    names = mapped(names, (name, i) => shared.has(i) ? changed(name, i) : name);
    change = (name, i) => `${name}-${i}`;
    several = repeated(names, streamId);
  }
  return names;
}

/** @param others what is there instead */
function noImages(folder: string, others: readonly string[] = []): UserError {
  return new UserError(
    `there are no images in ${folder}${others.length > 0 ? `, but ${others.join(", ")}` : ""}`,
    ExitCode.data,
    `It needs a folder for each class with images (${IMAGE_ENDINGS.join(", ")}), the same in ` +
      "folders train and test, or a table (.csv) that names file and class.",
  );
}
