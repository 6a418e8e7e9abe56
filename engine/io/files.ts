/**
 * Files, with errors that name them. What has a final name is complete: a file is written beside
 * it as `name.partial`, synced, and renamed.
 */
import { dirname } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { LIMITS } from "./limits.ts";

/**
 * Writes a file whole or not at all; an existing one is replaced only by the complete new one.
 * @throws UserError (io) that names the path where the folder or the disk doesn't allow it
 */
export async function writeFileAtomic(
  path: string,
  content: Uint8Array | string | AsyncIterable<Uint8Array>,
): Promise<void> {
  const partial = `${path}.partial`;
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
    const { size, isCharDevice } = await Deno.stat(path);
    if (isCharDevice) {
      throw new UserError(`cannot read ${path}: it is a device, not a file`, exitCode);
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

/** Reads a whole UTF-8 file. @throws UserError that names it, with the exit code (default io) */
export async function readText(path: string, exitCode?: ExitCode): Promise<string> {
  return new TextDecoder().decode(await readBytes(path, exitCode, LIMITS.text));
}

/** The JSON value of a file. @throws UserError (io) where it is none */
export async function readJson(path: string): Promise<unknown> {
  return parseJson(await readText(path), path);
}

/** The JSON values of a file, one a line. @throws UserError (io) where they are none */
export async function readJsonLines(path: string): Promise<unknown[]> {
  const lines = (await readText(path)).split("\n").filter(Boolean);
  return lines.map((line) => parseJson(line, path));
}

/**
 * The JSON object of a file that states its version.
 * @throws UserError (io) where it is damaged or of another version
 */
export async function readVersioned<T extends { readonly version: number }>(
  path: string,
  version: number,
): Promise<T> {
  const file = Object(await readJson(path));
  if (file.version === version) return file;
  throw new UserError(
    `${path} is of version ${file.version}, and this program reads version ${version}`,
    ExitCode.io,
    "remove it to have it written anew",
  );
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`${path} is damaged: it is not JSON`, ExitCode.io);
  }
}

/** Whether the path is a file. */
export async function fileExists(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
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
      return ["there is no such file or folder"];
    case "EACCES":
    case "EPERM":
      return ["permission denied", `Check who may write in ${dirname(path)}.`];
    case "EROFS":
      return ["the file system is read-only", "Choose another folder."];
    case "ENOSPC":
    case "EDQUOT":
      return ["no space is left", "Free some space or choose another folder."];
    case "ENOTDIR":
      return ["a part of the path is a file, not a folder"];
    case "EISDIR":
      return ["it is a folder"];
    default:
      return [error.message];
  }
}
