/** Where the data sets are published, and the folder in which downloads are kept. */
import { basename, dirname, join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, makeFolder, removeIfThere, writeFileAtomic } from "../io/files.ts";
import { inside } from "../io/inside.ts";
import { readTar } from "../io/tar.ts";
import { cifar10, cifar100, type CifarSet } from "./cifar.ts";
import { download, DownloadOptions, RemoteFile } from "./download.ts";
import { stl10Files, stl10Folder } from "./stl10.ts";
import { svhnFiles } from "./svhn.ts";

/** Files that make up a data set, relative to `base`. */
interface Source {
  readonly base: string;
  readonly algorithm: RemoteFile["algorithm"];
  /** File name to checksum. */
  readonly files: Readonly<Record<string, string>>;
  /** For an archive, the files in it that the data set needs. */
  readonly unpack?: readonly string[];
}

/** The checksums are those of the publishers' own files. */
export const sources = {
  mnist: {
    base: "https://ossci-datasets.s3.amazonaws.com/mnist/",
    algorithm: "sha256",
    files: {
      "train-images-idx3-ubyte.gz":
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
      "train-labels-idx1-ubyte.gz":
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
      "t10k-images-idx3-ubyte.gz":
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
      "t10k-labels-idx1-ubyte.gz":
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
  },
  "fashion-mnist": {
    base: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    algorithm: "sha256",
    files: {
      "train-images-idx3-ubyte.gz":
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
      "train-labels-idx1-ubyte.gz":
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
      "t10k-images-idx3-ubyte.gz":
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
      "t10k-labels-idx1-ubyte.gz":
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
  },
  cifar10: {
    base: "https://www.cs.toronto.edu/~kriz/",
    algorithm: "md5",
    files: { "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530" },
    unpack: filesIn(cifar10),
  },
  cifar100: {
    base: "https://www.cs.toronto.edu/~kriz/",
    algorithm: "md5",
    files: { "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8" },
    unpack: filesIn(cifar100),
  },
  svhn: {
    base: "http://ufldl.stanford.edu/housenumbers/",
    algorithm: "md5",
    files: {
      [svhnFiles.train]: "e26dedcc434d2e4c54c9b2d4a06d8373",
      [svhnFiles.test]: "eb5a983be6a315427106f1b164d9cef3",
    },
  },
  stl10: {
    base: "http://ai.stanford.edu/~acoates/stl10/",
    algorithm: "md5",
    files: { "stl10_binary.tar.gz": "91f7769df0f17e558f3565bffb0c7dfb" },
    unpack: stl10Files.map((file) => `${stl10Folder}/${file}`),
  },
} as const satisfies Record<string, Source>;

export type SourceName = keyof typeof sources;

function filesIn({ folder, trainFiles, testFile }: CifarSet): string[] {
  return [...trainFiles, testFile].map((file) => `${folder}/${file}`);
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
export async function fetchDataSet(
  name: SourceName,
  options: FetchOptions = {},
): Promise<string> {
  const source: Source = { ...sources[name], ...options.baseUrl && { base: options.baseUrl } };
  return await fetchSource(name, source, options);
}

/** As `fetchDataSet`, for a source of one's own. */
export async function fetchSource(
  name: string,
  { base, algorithm, files, unpack }: Source,
  { cacheDir = cacheFolder(), ...options }: FetchOptions,
): Promise<string> {
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
