/**
 * Downloading one file so that it can be interrupted: the bytes go to `name.partial`, a later
 * attempt asks only for the rest (HTTP Range), and the file gets its final name after its checksum
 * was found right.
 */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ExitCode, UserError } from "../errors.ts";
import { fileError, fileExists, removeIfThere, writeAll } from "../io/files.ts";

/** A file with the checksum that its publisher's copy has. */
export interface RemoteFile {
  readonly url: string;
  readonly algorithm: "sha256" | "md5";
  /** Hexadecimal. */
  readonly checksum: string;
}

/** Called for every piece that arrives; `total` is missing where the server doesn't say. */
export type OnProgress = (progress: { file: string; bytes: number; total?: number }) => void;

export interface DownloadOptions {
  readonly onProgress?: OnProgress;
  /** Attempts in all; each continues where the last one was cut. */
  readonly attempts?: number;
  /** Milliseconds between attempts. */
  readonly pauseMs?: number;
  /** Milliseconds without a byte after which a connection counts as cut. */
  readonly idleMs?: number;
}

/** A failure that another attempt may get past. */
class Cut extends Error {}

/**
 * Downloads a file to `path`; does nothing where it is already there.
 * @throws UserError (data) where the network, the server or the checksum fails, after all
 *   attempts; (io) where the file can't be written
 */
export async function download(
  file: RemoteFile,
  path: string,
  { onProgress, attempts = 4, pauseMs = 1000, idleMs = 30_000 }: DownloadOptions = {},
): Promise<void> {
  if (await fileExists(path)) return;
  const partial = `${path}.partial`;
  for (let attempt = 1;; attempt++) {
    try {
      const had = await sizeOf(partial);
      const kept = await transfer(file.url, partial, had, idleMs, onProgress);
      if (await checksum(file.algorithm, partial) === file.checksum) break;
      await rejectContent(file, partial, kept);
    } catch (error) {
      if (!(error instanceof Cut)) throw error;
      if (attempt === attempts) {
        const bytes = await sizeOf(partial);
        throw new UserError(
          `cannot download ${file.url}: ${error.message}` +
            (bytes > 0 ? ` (${bytes} bytes are kept in ${partial} to go on from)` : ""),
          ExitCode.data,
          undefined,
          { cause: error },
        );
      }
      await delay(pauseMs);
    }
  }
  try {
    await Deno.rename(partial, path);
  } catch (error) {
    throw fileError("write", path, error);
  }
}

/** Removes wrong content: worth another attempt if a part of it was older than this one. */
async function rejectContent(file: RemoteFile, partial: string, kept: boolean): Promise<void> {
  const [bytes, found] = [await sizeOf(partial), await checksum(file.algorithm, partial)];
  await removeIfThere(partial);
  const problem = `its ${bytes} bytes have the ${file.algorithm} checksum ${found}, ` +
    `not ${file.checksum}`;
  if (kept) throw new Cut(problem);
  throw new UserError(`${file.url} is not the file it should be: ${problem}`, ExitCode.data);
}

async function sizeOf(path: string): Promise<number> {
  return await Deno.stat(path).then((info) => info.size, () => 0);
}

/**
 * Brings the rest of a file after its first `had` bytes, or all of it where the server gives all.
 * @returns whether bytes of an earlier attempt are part of it
 */
async function transfer(
  url: string,
  partial: string,
  had: number,
  idleMs: number,
  onProgress?: OnProgress,
): Promise<boolean> {
  const watch = new AbortController();
  const late = () => watch.abort(new Cut(`no answer for ${idleMs / 1000} seconds`));
  let timer = setTimeout(late, idleMs);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(late, idleMs);
  };
  try {
    const response = await request(url, had, watch.signal);
    if (response.status === 416) {
      await response.body?.cancel();
      return true;
    }
    const kept = response.status === 206;
    await save(response, partial, kept ? had : 0, url, (progress) => {
      alive();
      onProgress?.(progress);
    });
    return kept;
  } finally {
    clearTimeout(timer);
  }
}

async function request(url: string, had: number, signal: AbortSignal): Promise<Response> {
  const headers = new Headers({ "accept-encoding": "identity" });
  if (had > 0) headers.set("range", `bytes=${had}-`);
  const response = await fetch(url, { headers, signal }).catch((error) => {
    throw asCut(error);
  });
  const { status } = response;
  if (status === 200 || had > 0 && (status === 206 || status === 416)) return response;
  await response.body?.cancel();
  const problem = `the server answered ${status} ${response.statusText}`.trimEnd();
  if (status >= 500 || status === 429) throw new Cut(problem);
  throw new UserError(`cannot download ${url}: ${problem}`, ExitCode.data);
}

/** Writes a response's body to a file from the byte `start` on. */
async function save(
  response: Response,
  partial: string,
  start: number,
  url: string,
  onProgress: OnProgress,
): Promise<void> {
  const length = response.headers.get("content-length");
  const total = length === null ? undefined : start + Number(length);
  const file = basename(new URL(url).pathname);
  const out = await openAt(partial, start);
  try {
    let bytes = start;
    for await (const chunk of chunks(response)) {
      await writeAll(out, chunk).catch((error) => {
        throw fileError("write", partial, error);
      });
      onProgress({ file, bytes: bytes += chunk.length, total });
    }
    if (total !== undefined && bytes < total) throw new Cut(`cut off after ${bytes} of ${total}`);
    await out.sync();
  } finally {
    out.close();
  }
}

/** A response's body; what goes wrong on the way is a cut. */
async function* chunks(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw asCut(error);
      });
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function openAt(path: string, position: number): Promise<Deno.FsFile> {
  try {
    const file = await Deno.open(path, { write: true, create: true, truncate: position === 0 });
    await file.seek(position, Deno.SeekMode.Start);
    return file;
  } catch (error) {
    throw fileError("write", path, error);
  }
}

function asCut(error: unknown): Cut {
  return error instanceof Cut ? error : new Cut((error as Error).message, { cause: error });
}

async function checksum(algorithm: string, path: string): Promise<string> {
  const hash = createHash(algorithm);
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1 << 20);
  for (let n; (n = await file.read(buffer)) !== null;) hash.update(buffer.subarray(0, n));
  return hash.digest("hex");
}
