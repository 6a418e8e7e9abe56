/**
 * A run's folder belongs to the process that works in it. The lock is the operating system's own
 * (flock), on a file in the folder, so it ends with the process, however that ends, and what is left
 * behind is an empty file that locks nothing. A network disk passes locks of files opened for writing
 * on to its server, and those of folders it does not (Linux' `nfs_dir_operations` have no flock, so one
 * machine's is no other's): hence the file. Where a disk knows no locks there is none; see
 * shared_lock.ts.
 */

import { join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileError } from "../io/files.ts";

/** The file that is locked. It is no part of what a folder holds. */
export const LOCK = ".lock";

/** The locks that this process holds, by their folders. */
const held = new Map<string, Deno.FsFile>();

/**
 * Locks a folder for this process; once more is no error.
 * @param wait for a process that works in it, until this signal says no longer
 * @throws UserError (io) where another process works in it, or it can't be locked; the signal's reason
 */
export async function lockFolder(folder: string, wait?: AbortSignal): Promise<void> {
  const place = await Deno.realPath(folder);
  if (held.has(place)) return;
  const file = await lockFile(place, { create: true });
  if (!file) return;
  while (!await tryLock(file, wait ? 1 : LOOKS)) {
    if (!wait || wait.aborted) {
      const error = wait?.reason ?? await inUse(folder, file);
      file.close();
      throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  held.set(place, file);
}

/** Milliseconds between two tries. */
const PAUSE = 500;

/**
 * Tries before a folder counts as in use, and milliseconds between them: a process that only looks
 * whether it is (isInUse) has the lock for a moment, too.
 */
const [LOOKS, MOMENT] = [4, 25];

/** @throws UserError (io) where another process works in the folder */
export async function refuseLocked(folder: string): Promise<void> {
  const place = await Deno.realPath(folder);
  if (held.has(place)) return;
  using file = await lockFile(place);
  if (file && !await tryLock(file, LOOKS)) throw await inUse(folder, file);
}

/** Whether another process works in the folder; in one that is not there none does. */
export async function isInUse(folder: string): Promise<boolean> {
  const place = await Deno.realPath(folder).catch(() => undefined);
  if (place === undefined || held.has(place)) return false;
  using file = await lockFile(place);
  return file !== undefined && !await tryLock(file);
}

/** Does what one process at a time may do in the folder, in turn with those that wait for it too. */
export async function inTurn<T>(folder: string, work: () => Promise<T>): Promise<T> {
  using file = await lockFile(folder, { create: true });
  await file?.lock(true).catch(() => {});
  return await work();
}

/** Gives a folder back before the process ends. */
export async function unlockFolder(folder: string): Promise<void> {
  const place = await Deno.realPath(folder).catch(() => folder);
  held.get(place)?.close();
  held.delete(place);
}

/** What tells that one may not write there; others, whose folder it is, may. */
const NOT_ALLOWED: unknown[] = ["EACCES", "EPERM", "EROFS"];

/**
 * Undefined where it or the folder is not there, or one may not write in that. Another user's may be
 * read only.
 * @throws UserError (io) where it is to be made, and can't for another reason
 */
async function lockFile(folder: string, { create = false } = {}): Promise<Deno.FsFile | undefined> {
  const path = join(folder, LOCK);
  try {
    return await Deno.open(path, { write: true, create });
  } catch (error) {
    const file = await Deno.open(path).catch(() => undefined);
    if (file || !create || NOT_ALLOWED.includes((error as { code?: string }).code)) return file;
    if (!await Deno.stat(folder).then(() => true, () => false)) return undefined;
    // A folder that seems locked, and is not, may be filled by two.
    throw fileError("write", path, error);
  }
}

async function tryLock(file: Deno.FsFile, tries = 1): Promise<boolean> {
  try {
    if (await file.tryLock(true)) return true;
  } catch {
    return true;
  }
  if (tries === 1) return false;
  await new Promise((resolve) => setTimeout(resolve, MOMENT));
  return await tryLock(file, tries - 1);
}

async function inUse(folder: string, file: Deno.FsFile): Promise<UserError> {
  const holder = await holderOf(file).catch(() => undefined);
  return new UserError(
    `the folder ${folder} is in use by ${holder ? `process ${holder}` : "another process"}`,
    ExitCode.io,
    "wait for it to end, or choose another folder with --out",
  );
}

/** The process that holds a file's lock, as far as Linux tells. */
async function holderOf(file: Deno.FsFile): Promise<string | undefined> {
  const { ino } = await file.stat();
  const locks = await Deno.readTextFile("/proc/locks");
  return new RegExp(`FLOCK +ADVISORY +WRITE +(\\d+) \\S+:${ino} `).exec(locks)?.[1];
}
