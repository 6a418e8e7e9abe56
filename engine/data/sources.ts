/** How a data set's files come from where they are published, and where downloads are kept. */
import { basename, dirname, join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, makeFolder, removeIfThere, writeFileAtomic } from "../io/files.ts";
import { inside } from "../io/inside.ts";
import { readTar } from "../io/tar.ts";
import { download, DownloadOptions, RemoteFile } from "./download.ts";

/** Where a data set is published: files relative to `base`. */
export interface Source {
  /** The name of the folder in the cache, and in messages. */
  readonly name: string;
  readonly base: string;
  readonly algorithm: RemoteFile["algorithm"];
  /** File name to the checksum of the publisher's own file. */
  readonly files: Readonly<Record<string, string>>;
  /** For an archive, the files in it that the data set needs. */
  readonly unpack?: readonly string[];
}

export interface FetchOptions extends DownloadOptions {
  /** Where downloads are kept; by default `cacheFolder()`. */
  readonly cacheDir?: string;
  /** Another place with the same files, instead of the official one. */
  readonly baseUrl?: string;
}

/**
 * Gets a data set's files where they aren't in the cache yet.
 * @returns the folder that holds them
 * @throws UserError (data) that says what was tried and how to do without; (io) for the cache
 */
export async function fetchSource(source: Source, options: FetchOptions = {}): Promise<string> {
  const { name, algorithm, files, unpack } = source;
  const { baseUrl: base = source.base, cacheDir = cacheFolder() } = options;
  const folder = join(cacheDir, name);
  if (unpack && await allThere(folder, unpack)) return folder;
  await makeFolder(folder);
  for (const [file, checksum] of Object.entries(files)) {
    const [path, url] = [join(folder, file), new URL(file, base).href];
    try {
      await download({ url, algorithm, checksum }, path, options);
    } catch (error) {
      throw withAdvice(name, base, Object.keys(files), error);
    }
    if (unpack) await unpackArchive(path, folder, unpack);
  }
  return folder;
}

async function allThere(folder: string, files: readonly string[]): Promise<boolean> {
  const found = await Promise.all(files.map((file) => fileExists(join(folder, file))));
  return found.every(Boolean);
}

/** Unpacks the named files of a .tar.gz and removes it; they keep the archive's folders. */
async function unpackArchive(
  archive: string,
  folder: string,
  files: readonly string[],
): Promise<void> {
  const wanted = new Set(files);
  const file = await Deno.open(archive);
  const stream = file.readable.pipeThrough(new DecompressionStream("gzip"));
  try {
    for await (const { path, chunks } of readTar(stream, archive)) {
      if (!wanted.delete(path)) continue;
      const place = inside(folder, path, archive);
      await makeFolder(dirname(place));
      await writeFileAtomic(place, chunks());
      if (wanted.size === 0) break;
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UserError(`${archive}: corrupt: ${error.message}`, ExitCode.data, undefined, {
      cause: error,
    });
  }
  const [missing] = wanted;
  if (missing) throw new UserError(`${archive}: there is no ${missing} in it`, ExitCode.data);
  await removeIfThere(archive);
}

function withAdvice(
  name: string,
  base: string,
  files: readonly string[],
  error: unknown,
): unknown {
  if (!(error instanceof UserError) || error.exitCode !== ExitCode.data) return error;
  const unpacked = files.some((file) => file.endsWith(".tar.gz")) ? " (unpacked)" : "";
  return new UserError(
    `${name}: ${error.message}`,
    ExitCode.data,
    `Without a network, put ${files.map((file) => basename(file)).join(", ")}${unpacked} from ` +
      `${base} in a folder and name it with --data-dir. The data set shapes needs no download.`,
    { cause: error },
  );
}

/** The folder for downloads: the platform's place for what can be fetched again. */
export function cacheFolder(env: (name: string) => string | undefined = Deno.env.get): string {
  const given = env("XDG_CACHE_HOME") || (Deno.build.os === "windows" && env("LOCALAPPDATA"));
  const home = env("HOME") || env("USERPROFILE");
  if (!given && !home) {
    throw new UserError(
      "there is no folder to keep downloads in: HOME is not set",
      ExitCode.io,
      "Set XDG_CACHE_HOME, or name the data's folder with --data-dir.",
    );
  }
  return join(given || join(home!, ".cache"), "model-doctor");
}
