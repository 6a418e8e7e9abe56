/**
 * Files of npm packages that a few tests want and nothing else: named in no import, for every
 * `deno task` would download them with what deno.lock lists.
 */

import { join } from "node:path";

export interface NpmFile {
  /** `name@1.2.3` */
  readonly package: string;
  /** The lock file that holds its hash. */
  readonly lock: string;
  /** The file, in the package. */
  readonly file: string;
}

/** Path of the file in Deno's cache, or undefined where it can't be had. */
export async function npmFile(of: NpmFile): Promise<string | undefined> {
  const options = ["--no-config", `--lock=${of.lock}`, "--frozen"];
  if (await deno("cache", ...options, `npm:${of.package}`) === undefined) return undefined;
  const { npmCache } = JSON.parse(await deno("info", "--json") ?? "{}");
  const [name, version] = of.package.split(/(?<=.)@/);
  // One folder a registry.
  for await (const registry of Deno.readDir(npmCache)) {
    const path = join(npmCache, registry.name, name, version, of.file);
    if (await Deno.stat(path).catch(() => undefined)) return path;
  }
}

async function deno(...args: string[]): Promise<string | undefined> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
  return success ? new TextDecoder().decode(stdout) : undefined;
}
