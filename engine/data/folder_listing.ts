/**
 * Which images a folder holds, with their classes and their part: `class/image.png`, the same
 * inside of train, val and test, or tables (csv) that name file and class.
 */
import { basename, extname, join, relative } from "node:path";
import { parse } from "csv-parse/sync";
import { ExitCode, UserError } from "../errors.ts";
import { fileError, fileExists, readText } from "../io/files.ts";

export type Part = "train" | "val" | "test";

export interface Listed {
  readonly path: string;
  /** The class's name. */
  readonly label: string;
  /** undefined where the folder doesn't tell parts apart. */
  readonly part?: Part;
}

const PARTS: Readonly<Record<string, Part>> = {
  train: "train",
  val: "val",
  valid: "val",
  validation: "val",
  test: "test",
};
const FILE_COLUMNS = ["filename", "file", "path", "image", "image_id"];
const LABEL_COLUMNS = ["label", "class", "category"];
const PART_COLUMNS = ["split", "part", "subset"];

const isImage = (name: string) => [".png", ".jpg", ".jpeg"].includes(extname(name).toLowerCase());

/**
 * The images of a folder, in the order of their paths or of the tables' rows.
 * @throws UserError (data) that says what the folder or the table lacks
 */
export async function listImages(folder: string): Promise<Listed[]> {
  const { files, folders } = await entries(folder);
  const tables = files.filter((file) => extname(file).toLowerCase() === ".csv");
  const listed = tables.length > 0
    ? await fromTables(folder, tables)
    : await fromFolders(folder, folders);
  if (listed.length === 0) throw noImages(folder);
  return listed;
}

async function fromFolders(folder: string, folders: readonly string[]): Promise<Listed[]> {
  const parts = folders.filter((name) => name in PARTS);
  if (!parts.includes("train")) return await inClasses(folder, folders);
  const listed: Listed[] = [];
  for (const name of parts) {
    const inner = join(folder, name);
    listed.push(...await inClasses(inner, (await entries(inner)).folders, PARTS[name]));
  }
  return listed;
}

/** The images in a folder for each class, at any depth. */
async function inClasses(
  folder: string,
  classes: readonly string[],
  part?: Part,
): Promise<Listed[]> {
  const listed: Listed[] = [];
  for (const label of classes) {
    const before = listed.length;
    for await (const path of imagesUnder(join(folder, label))) listed.push({ path, label, part });
    if (listed.length === before) throw noImages(join(folder, label));
  }
  return listed;
}

async function* imagesUnder(folder: string): AsyncGenerator<string> {
  const { files, folders } = await entries(folder);
  for (const file of files) if (isImage(file)) yield join(folder, file);
  for (const inner of folders) yield* imagesUnder(join(folder, inner));
}

/** train.csv with test.csv and val.csv as far as there are any, or one table of any name. */
async function fromTables(folder: string, tables: readonly string[]): Promise<Listed[]> {
  const ofParts = tables.filter((file) => basename(file, extname(file)) in PARTS);
  const used = ofParts.includes("train.csv") ? ofParts : tables;
  if (used === tables && tables.length > 1) {
    throw new UserError(
      `${folder} holds several tables, and it isn't clear which to use: ${tables.join(", ")}`,
      ExitCode.data,
      "Leave one of them there, or name them train.csv, val.csv and test.csv.",
    );
  }
  const listed: Listed[] = [];
  for (const file of used) {
    const part = used === tables ? undefined : PARTS[basename(file, extname(file))];
    listed.push(...await fromTable(folder, join(folder, file), part));
  }
  return listed;
}

async function fromTable(folder: string, table: string, part?: Part): Promise<Listed[]> {
  const [head = [], ...rest] = parseTable(await readText(table, ExitCode.data), table);
  const names = head.map((name) => name.trim().toLowerCase());
  const column = (wanted: readonly string[]) => names.findIndex((name) => wanted.includes(name));
  const [fileAt, labelAt, partAt] = [FILE_COLUMNS, LABEL_COLUMNS, PART_COLUMNS].map(column);
  if (fileAt < 0 || labelAt < 0) {
    throw new UserError(
      `${table}: its first line names no columns for file and class: ${head.join(", ")}`,
      ExitCode.data,
      `It needs a column ${FILE_COLUMNS.join(", ")}, and a column ${LABEL_COLUMNS.join(", ")}; ` +
        `${PART_COLUMNS[0]} (train, val, test) may be there.`,
    );
  }
  return await Promise.all(rest.map(async (row, i): Promise<Listed> => {
    const problem = (what: string) =>
      new UserError(`${table}: line ${i + 2}: ${what}`, ExitCode.data);
    const [file, label] = [row[fileAt], row[labelAt]];
    if (!file || !label) throw problem("it has no file or no class");
    const own = partAt < 0 ? part : PARTS[row[partAt].toLowerCase()];
    if (partAt >= 0 && !own) throw problem(`there is no part ${row[partAt]}: train, val or test`);
    for (const path of [join(folder, file), join(folder, "images", file)]) {
      if (await fileExists(path)) return { path, label, part: own };
    }
    throw problem(`there is no ${file} in ${folder} or in its folder images`);
  }));
}

function parseTable(text: string, table: string): string[][] {
  try {
    return parse(text, { bom: true, skip_empty_lines: true, trim: true });
  } catch (error) {
    throw new UserError(`${table}: ${(error as Error).message}`, ExitCode.data, undefined, {
      cause: error,
    });
  }
}

/** The names in a folder, sorted, without hidden ones. */
async function entries(folder: string): Promise<{ files: string[]; folders: string[] }> {
  const [files, folders]: string[][] = [[], []];
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (!name.startsWith(".")) (isDirectory ? folders : files).push(name);
    }
  } catch (error) {
    throw fileError("read", folder, error, ExitCode.data);
  }
  return { files: files.sort(), folders: folders.sort() };
}

/** How an image is spoken of: its path in the folder, without its ending. */
export function imageName(folder: string, path: string): string {
  const inside = relative(folder, path).replaceAll("\\", "/");
  return inside.slice(0, inside.length - extname(inside).length);
}

function noImages(folder: string): UserError {
  return new UserError(
    `there are no images in ${folder}`,
    ExitCode.data,
    "It needs a folder for each class with .png, .jpg or .jpeg files, the same in folders train " +
      "and test, or a table (.csv) that names file and class.",
  );
}
