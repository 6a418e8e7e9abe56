/**
 * Files, with errors that name them. What has a final name is complete: a file is written beside
 * it under a name of its own, which ends in `.partial`, synced, and renamed.
 */
import { basename, dirname, join, resolve } from "node:path";
import * as v from "valibot";
import { ExitCode, UserError } from "../errors.ts";
import { checkJson, type JsonSource, parseJson, type Schema } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { decodeText } from "./text.ts";

/** Files that this process began to write. */
let partials = 0;

/** What a file is called while this process writes it. */
export const partialOf = (path: string): string => `${path}.${Deno.pid}-${++partials}.partial`;

/** Whether a name is of a file that is being written, or was when its process ended. */
export const isPartial = (name: string): boolean => /\.\d+-\d+\.partial$/.test(name);

/**
 * Removes what processes that ended left half written in a folder, and in those in it. Others must
 * be kept from writing there meanwhile; see engine/run/lock.ts.
 * @throws UserError (io) that names a folder that can't be read
 */
export async function removePartials(folder: string, { deep = true } = {}): Promise<void> {
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if (isDirectory && deep) await removePartials(path);
      else if (isPartial(name)) await removeIfThere(path);
    }
  } catch (error) {
    throw fileError("read", folder, error);
  }
}

/**
 * Writes a file whole or not at all; an existing one is replaced only by the complete new one.
 * @throws UserError (io) that names the path where the folder or the disk doesn't allow it
 */
export async function writeFileAtomic(
  path: string,
  content: Uint8Array | string | AsyncIterable<Uint8Array>,
): Promise<void> {
  const partial = partialOf(path);
  try {
    using file = await Deno.open(partial, { write: true, create: true, truncate: true });
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    if (bytes instanceof Uint8Array) await writeAll(file, bytes);
    else for await (const piece of bytes) await writeAll(file, piece);
    await file.sync();
    await Deno.rename(partial, path);
  } catch (error) {
    await removeIfThere(partial);
    throw fileError("write", path, error);
  }
}

/** Adds bytes to a file's end, or begins it. @throws UserError (io) that names it */
export async function appendFile(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await Deno.writeFile(path, bytes, { append: true });
  } catch (error) {
    throw fileError("write", path, error);
  }
}

/** Writes all bytes at the file's position; one `write` may take only some of them. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

/**
 * Reads a whole file.
 * @param most bytes that it may have
 * @throws UserError that names it, with the exit code given (default io)
 */
export async function readBytes(
  path: string,
  exitCode: ExitCode = ExitCode.io,
  most: number = LIMITS.file,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const { size, isFile, isDirectory } = await Deno.stat(path);
    // A pipe or a device may never end, and be waited for for ever.
    if (!isFile && !isDirectory) {
      throw new UserError(`cannot read ${path}: it is a device or a pipe, not a file`, exitCode);
    }
    if (size > most) {
      throw new UserError(
        `cannot read ${path}: it has ${size} bytes, more than the ${most} allowed`,
        exitCode,
      );
    }
    return await Deno.readFile(path);
  } catch (error) {
    throw fileError("read", path, error, exitCode);
  }
}

/** Reads a text file; see text.ts. @throws UserError that names it, with the exit code (default io) */
export async function readText(path: string, exitCode: ExitCode = ExitCode.io): Promise<string> {
  return decodeText(await readBytes(path, exitCode, LIMITS.text), path, exitCode);
}

/** The JSON value of a file. @throws UserError (io) where it is none, or not what the schema says */
export async function readJson<T>(path: string, schema: Schema<T>): Promise<T> {
  return parseJson(await readText(path), schema, { name: path });
}

/** The JSON values of a file, one a line. @throws UserError (io) as `readJson` */
export async function readJsonLines<T>(path: string, schema: Schema<T>): Promise<T[]> {
  const lines = (await readText(path)).split("\n");
  return lines.flatMap((line, i) =>
    line === "" ? [] : [parseJson(line, schema, { name: `${path}: line ${i + 1}` })]
  );
}

const versioned = v.looseObject({ version: v.number() });

/** A file of this program's own making. */
const OWN: Pick<JsonSource, "hint" | "what"> = { hint: "remove it to have it written anew" };

/**
 * The JSON object of a file that states its version.
 * @param source what it was to be, and how one is made, where a person named the file
 * @throws UserError (io) where it is damaged or of another version
 */
export async function readVersioned<T extends { readonly version: number }>(
  path: string,
  version: number,
  schema: Schema<T>,
  source = OWN,
): Promise<T> {
  const file = parseJson(await readText(path), versioned, { name: path, ...source });
  if (file.version === version) return checkJson(file, schema, { name: path, ...source });
  const reads = source.what === undefined ? "" : `${source.what}s of `;
  throw new UserError(
    `${path} is of version ${file.version}, and this program reads ${reads}version ${version}`,
    ExitCode.io,
    source.hint,
  );
}

/** Whether the path is a file. */
export async function fileExists(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}

/** The absolute path without links, whose last parts need not be there. */
export async function realPathOf(path: string): Promise<string> {
  const whole = resolve(path);
  const above = dirname(whole);
  return await Deno.realPath(whole)
    .catch(async () => above === whole ? whole : join(await realPathOf(above), basename(whole)));
}

/** The names in a folder, sorted. @throws UserError (io) that names it */
export async function namesIn(path: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(path));
    return entries.map(({ name }) => name).sort();
  } catch (error) {
    throw fileError("read", path, error);
  }
}

/** For `catch`: nothing, where a file or folder is not there. @throws any other error */
export function nothingIfMissing(error: unknown): undefined {
  const cause = error instanceof UserError ? error.cause : error;
  const { NotFound, NotADirectory } = Deno.errors;
  if (!(cause instanceof NotFound || cause instanceof NotADirectory)) throw error;
}

/** Makes a folder, and those above it, where missing. @throws UserError (io) that names it */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw fileError("make the folder", path, error);
  }
}

/** Removes a file; that it was not there is no error. */
export async function removeIfThere(path: string): Promise<void> {
  await Deno.remove(path).catch(() => {});
}

/**
 * A failed file operation as an error for its user; anything that isn't one is returned as it is.
 * @param action what was tried, as in "cannot <action> <path>"
 */
export function fileError(
  action: string,
  path: string,
  error: unknown,
  exitCode: ExitCode = ExitCode.io,
): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  const code = (error as { code?: string }).code;
  if (code === undefined && !(error instanceof Deno.errors.NotCapable)) return error;
  const [reason, hint] = explain(error, code, path);
  return new UserError(`cannot ${action} ${path}: ${reason}`, exitCode, hint, { cause: error });
}

function explain(error: Error, code: string | undefined, path: string): [string, string?] {
  switch (code) {
    case "ENOENT":
      // As which a name that is no UTF-8 was listed.
      return path.includes("\ufffd")
        ? ["there is no such file or folder", "If it is there, rename it: its name is not UTF-8."]
        : ["there is no such file or folder"];
    case "EACCES":
    case "EPERM":
      return ["permission denied", `Check the rights to it, and to the folder ${dirname(path)}.`];
    case "EROFS":
      return ["the file system is read-only", "Choose another folder."];
    case "ENOSPC":
    case "EDQUOT":
      return ["no space is left", "Free some space or choose another folder."];
    case "ENOTDIR":
      return ["a part of the path is a file, not a folder"];
    case "EISDIR":
      return ["it is a folder"];
    case "EEXIST":
      return ["there is a file of that name"];
    case "EMFILE":
    case "ENFILE":
      return ["too many files are open at once", "Allow more: ulimit -n 1024."];
    default:
      return [error.message];
  }
}
