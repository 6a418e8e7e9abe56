/**
 * Tables (csv) that name the images of a folder and their classes, and where there is such a column
 * their parts. A table is text in UTF-8, or in UTF-16 with the mark that Excel begins it with.
 */
import { basename, extname, isAbsolute, join, resolve } from "node:path";
import { parse } from "csv-parse/sync";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, readText } from "../io/files.ts";
import { inside, isInside } from "../io/inside.ts";
import { filesUnder, isImage, otherFile } from "./folder_walk.ts";
import type { Listed } from "./listing.ts";
import type { Notes } from "./notes.ts";
import { type Part, PART_NAMES, partOf } from "./part_names.ts";

const FILE_COLUMNS = [
  ...["filename", "file", "path", "image", "image_id", "file_name", "filepath", "file_path"],
  ...["image_name", "image_path"],
];
const LABEL_COLUMNS = ["label", "class", "category"];
const PART_COLUMNS = ["split", "part", "subset"];

/** Where images lie that a table names by their path there: beside it, or in a folder images. */
const PLACES = ["", "images"];

/**
 * The images of train.csv with test.csv and val.csv as far as there are any, or of one table of any
 * name.
 * @throws UserError (data) that names table, line and what is wrong with it
 */
export async function fromTables(
  folder: string,
  tables: readonly string[],
  outside: boolean,
  notes: Notes,
): Promise<Listed[]> {
  const listed: Listed[] = [];
  for (const { file, part } of chooseTables(folder, tables, notes)) {
    const table = new Table(folder, join(folder, file), outside, notes);
    for (const image of await table.read(part)) listed.push(image);
  }
  const used = withoutRepeats(listed, notes);
  const named = new Set(used.map(({ path }) => resolve(path)));
  tables.forEach((file) => named.add(resolve(folder, file)));
  for await (const path of filesUnder(folder, notes)) {
    if (named.has(resolve(path))) continue;
    notes.leaveOut(isImage(path) ? "images that no table names" : otherFile(path), path);
  }
  return used;
}

function chooseTables(folder: string, tables: readonly string[], notes: Notes) {
  const stem = (file: string) => basename(file, extname(file));
  const ofParts = tables.flatMap((file) => {
    const part = partOf(stem(file));
    return part ? [{ file, part }] : [];
  });
  const kinds = new Set(ofParts.map(({ part }) => part));
  const unclear = (problem: string, hint: string) =>
    new UserError(`${folder} ${problem}`, ExitCode.data, hint);
  if (kinds.has("train") && kinds.size === ofParts.length) {
    for (const file of tables) {
      if (!partOf(stem(file))) notes.leaveOut("tables of no part", join(folder, file));
    }
    for (const { file, part } of ofParts) {
      if (stem(file) !== part) {
        notes.guess(`${file} lists the ${part} part`, `a table named ${part}.csv`);
      }
    }
    return ofParts;
  }
  if (tables.length > 1) {
    throw unclear(
      `holds several tables, and it isn't clear which to use: ${tables.join(", ")}`,
      "Leave one of them there, or name them train.csv, val.csv and test.csv.",
    );
  }
  if (ofParts.length > 0) {
    throw unclear(
      `holds ${tables[0]}, but no table of the images to train on`,
      "Put train.csv beside it, or rename it if it lists all images.",
    );
  }
  return [{ file: tables[0], part: undefined }];
}

class Table {
  constructor(
    private readonly folder: string,
    private readonly path: string,
    private readonly outside: boolean,
    private readonly notes: Notes,
  ) {}

  async read(part: Part | undefined): Promise<Listed[]> {
    const text = await readText(this.path, ExitCode.data);
    const [head = [], ...rest] = parseTable(text, this.path);
    const names = head.map((name) => name.trim().toLowerCase());
    const at = [FILE_COLUMNS, LABEL_COLUMNS, PART_COLUMNS].map((wanted) => {
      const found = names.filter((name) => wanted.includes(name));
      if (found.length <= 1) return names.indexOf(found[0]);
      const columns = found.join(" and ");
      throw this.problem(`the columns ${columns} may both be meant`, "Leave one of them out.");
    });
    const [fileAt, labelAt, partAt] = at;
    if (fileAt < 0 || labelAt < 0) {
      throw this.problem(
        `its first line names no columns for file and class: ${head.join(", ")}`,
        `It needs a column ${FILE_COLUMNS.join(", ")}, and a column ${LABEL_COLUMNS.join(", ")}; ` +
          `${PART_COLUMNS[0]} (${PART_NAMES.join(", ")}) may be there.`,
      );
    }
    return await Promise.all(rest.map(async (row, i): Promise<Listed> => {
      const line = `line ${i + 2}`;
      const [file, label] = [row[fileAt], row[labelAt]];
      if (!file || !label) throw this.problem(`${line}: it has no file or no class`);
      const own = partAt < 0 ? part : partOf(row[partAt]);
      if (partAt >= 0 && !own) {
        throw this.problem(`${line}: there is no part ${row[partAt]}: ${PART_NAMES.join(", ")}`);
      }
      if (part && own !== part) {
        throw this.problem(`${line}: it is of the part ${own}, in the table of ${part}`);
      }
      return { path: await this.find(file, line), label, part: own };
    }));
  }

  /** The file that a line names; Windows' separators and either form of accents will do. */
  private async find(file: string, line: string): Promise<string> {
    const slashes = file.replaceAll("\\", "/");
    const spellings = [file, slashes, slashes.normalize("NFC"), slashes.normalize("NFD")];
    const found: string[] = [];
    for (const place of PLACES) {
      for (const spelling of new Set(spellings)) {
        const path = this.place(join(this.folder, place), spelling, line);
        if (await fileExists(path)) {
          found.push(path);
          break;
        }
      }
    }
    if (found.length === 1 || (found.length > 1 && await sameFile(found))) return found[0];
    throw this.problem(
      found.length > 1
        ? `${line}: ${found.join(" and ")} may both be meant`
        : `${line}: there is no ${file} in ${this.folder} or in its folder images`,
    );
  }

  /** Inside of the data's folder, or of the one that the program is run in; see `inside`. */
  private place(folder: string, file: string, line: string): string {
    const path = isAbsolute(file) ? file : join(folder, file);
    if (this.outside || isInside(this.folder, path) || isInside(Deno.cwd(), path)) return path;
    try {
      return inside(this.folder, file, `${this.path}: ${line}`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw new UserError(error.message, error.exitCode, "Allow it with --outside.");
    }
  }

  private problem(what: string, hint?: string): UserError {
    return new UserError(`${this.path}: ${what}`, ExitCode.data, hint);
  }
}

async function sameFile(paths: readonly string[]): Promise<boolean> {
  return new Set(await Promise.all(paths.map((path) => Deno.realPath(path)))).size === 1;
}

/** Each image once. @throws UserError (data) for one that has two classes */
function withoutRepeats(listed: readonly Listed[], notes: Notes): Listed[] {
  const seen = new Map<string, Listed>();
  return listed.filter((image) => {
    const { path, label, part } = image;
    const before = seen.get(resolve(path));
    seen.set(resolve(path), image);
    if (!before) return true;
    if (before.label !== label) {
      throw new UserError(
        `the tables give ${path} two classes: ${before.label} and ${label}`,
        ExitCode.data,
        "A classifier gives each image one class.",
      );
    }
    // In two parts it stays, and is found as an image that is in both.
    if (before.part !== part) return true;
    notes.leaveOut("lines of a table that repeat an image", path);
    return false;
  });
}

/** Where a comma is the decimal point, spreadsheets write semicolons between columns. */
function delimiterOf(text: string): string {
  const head = text.split(/\r?\n/, 1)[0].toLowerCase().split(/[;\t]/).map((name) =>
    name.trim().replace(/^["\ufeff]+|"$/g, "")
  );
  const isHead = [FILE_COLUMNS, LABEL_COLUMNS].every((columns) =>
    columns.some((name) => head.includes(name))
  );
  return !isHead ? "," : text.split(/\r?\n/, 1)[0].includes(";") ? ";" : "\t";
}

function parseTable(text: string, table: string): string[][] {
  try {
    const delimiter = delimiterOf(text);
    return parse(text, { bom: true, skip_empty_lines: true, trim: true, delimiter });
  } catch (error) {
    throw new UserError(`${table}: ${(error as Error).message}`, ExitCode.data, undefined, {
      cause: error,
    });
  }
}
