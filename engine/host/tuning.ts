/**
 * What the tuner found (gpu/tuning.ts), kept on disk. It never changes what kernels compute, so a
 * file that can't be used is left aside with a warning.
 *
 * One file an adapter in the user's cache folder, or in the folder that MODEL_DOCTOR_TUNING names;
 * MODEL_DOCTOR_TUNING=off uses none.
 */
import { dirname, join } from "node:path";
import * as v from "valibot";
import { ExitCode, UserError } from "../errors.ts";
import { type AdapterFacts, type AdapterName, slug } from "../gpu/adapter_name.ts";
import type { Choices } from "../gpu/tuning.ts";
import { checkJson, finite, parseJson } from "../io/json.ts";
import { requireWritableFolder } from "../io/writable.ts";
import { printable } from "../printable.ts";
import { fileExists, makeFolder, readText, writeFileAtomic } from "../io/files.ts";

/** Everything by which a measurement may differ from one machine to the next. */
export interface TuningKey {
  readonly adapter: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly backend: string;
  readonly driver: string;
  /** Deno holds the compiler from WGSL to the driver's language. */
  readonly deno: string;
}

const VARIABLE = "MODEL_DOCTOR_TUNING";
const FORMAT = 1;

export async function tuningKey(
  { adapter, facts }: { readonly adapter: AdapterName; readonly facts: AdapterFacts },
): Promise<TuningKey> {
  return {
    adapter: adapter.name,
    vendor: adapter.vendor,
    architecture: adapter.architecture,
    backend: adapter.backend,
    driver: facts.driver ?? await driverVersion(),
    deno: Deno.version.deno,
  };
}

/** Where Vulkan is not asked: NVIDIA's is in a file, a software driver's in the adapter's name. */
function driverVersion(): Promise<string> {
  return Deno.readTextFile("/proc/driver/nvidia/version").then(
    (text) => /\d+\.\d+(\.\d+)*/.exec(text)?.[0] ?? "",
    () => "",
  );
}

/** The file that holds an adapter's choices, or undefined where tuning is switched off. */
export async function tuningFile(key: TuningKey): Promise<string | undefined> {
  const folder = Deno.env.get(VARIABLE) || defaultFolder();
  if (folder === undefined || folder === "off") return undefined;
  const digest = await crypto.subtle.digest("SHA-256", encode(key));
  const hash = new Uint8Array(digest).toHex().slice(0, 12);
  const name = slug(key.adapter);
  return join(folder, `${name.slice(0, 60)}-${hash}.json`);
}

const encode = (key: TuningKey) => new TextEncoder().encode(JSON.stringify(key));

/** Where the system wants caches to be, or undefined where it says no home. */
function defaultFolder(): string | undefined {
  const { env } = Deno;
  const at = (root: string | undefined, ...rest: string[]) =>
    root ? join(root, ...rest, "model-doctor", "tuning") : undefined;
  switch (Deno.build.os) {
    case "windows":
      return at(env.get("LOCALAPPDATA"));
    case "darwin":
      return at(env.get("HOME"), "Library", "Caches");
    default:
      return at(env.get("XDG_CACHE_HOME")) ?? at(env.get("HOME"), ".cache");
  }
}

/**
 * The choices for an adapter; none where nothing was tuned.
 * @param warn is told, in a line, why a file is left aside
 */
export async function readTuning(
  key: TuningKey,
  warn: (message: string) => void = (message) => console.warn(`warning: ${printable(message)}`),
): Promise<Choices> {
  const file = await tuningFile(key);
  if (file === undefined || !await fileExists(file)) return new Map();
  try {
    return parse(await readText(file), key, file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    warn(`the tuned kernels in ${file} are not used: ${reason}; deno task tune makes them anew`);
    return new Map();
  }
}

const milliseconds = v.pipe(finite, v.gtValue(0));
const choice = v.object({ variant: v.string(), ms: milliseconds, untunedMs: milliseconds });
const versionSchema = v.looseObject({ format: v.unknown(), key: v.unknown() });
const choicesSchema = v.object({ choices: v.record(v.string(), choice) });

function parse(text: string, key: TuningKey, file: string): Choices {
  const content = parseJson(text, versionSchema, { name: file });
  if (content.format !== FORMAT) throw new Error("it is of another version of this program");
  if (JSON.stringify(content.key) !== JSON.stringify(key)) {
    throw new Error("it was made for another adapter, driver or version of Deno");
  }
  const { choices } = checkJson(content, choicesSchema, { name: file });
  return new Map(Object.entries(choices));
}

/**
 * The file that choices can be written to.
 * @throws UserError (usage) where there is none, (io) where its folder can't be written
 */
export async function requireTuningFile(key: TuningKey): Promise<string> {
  const file = await tuningFile(key);
  if (file !== undefined) {
    await requireWritableFolder(dirname(file));
    return file;
  }
  const off = Deno.env.get(VARIABLE) === "off";
  throw new UserError(
    off ? `${VARIABLE} is off` : "there is no folder for caches, and so none for what is tuned",
    ExitCode.usage,
    `set ${VARIABLE} to a folder`,
  );
}

/**
 * Adds choices to those on disk and returns the file.
 * @throws UserError (io) where it can't be written, (usage) where there is no place for it
 */
export async function writeTuning(key: TuningKey, choices: Choices): Promise<string> {
  const file = await requireTuningFile(key);
  const all = new Map([...await readTuning(key, () => {}), ...choices]);
  const sorted = [...all].sort(([a], [b]) => (a < b ? -1 : 1));
  const content = { format: FORMAT, key, choices: Object.fromEntries(sorted) };
  await makeFolder(dirname(file));
  await writeFileAtomic(file, JSON.stringify(content, null, 2) + "\n");
  return file;
}
