/** Chromium's software driver for Vulkan, from the package of a Chromium for servers. */

import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { readTar } from "../../engine/io/tar.ts";

const folder = new URL(".", import.meta.url).pathname;
/** Not named in an import: every `deno task` would download its 68 MB with what deno.lock lists. */
const PACKAGE = "npm:@sparticuz/chromium@147.0.0";
const ARCHIVE = "@sparticuz/chromium/147.0.0/bin/swiftshader.tar.br";

/** Path of the packed driver in Deno's cache, or undefined where it can't be had. */
export async function packedDriver(): Promise<string | undefined> {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return undefined;
  const options = ["--no-config", `--lock=${folder}lock.json`];
  const fetched = await deno("cache", ...options, "--frozen", PACKAGE);
  if (fetched === undefined) return undefined;
  const { npmCache } = JSON.parse(await deno("info", "--json") ?? "{}");
  // One folder a registry.
  for await (const { name } of Deno.readDir(npmCache)) {
    const path = join(npmCache, name, ARCHIVE);
    if (await Deno.stat(path).catch(() => undefined)) return path;
  }
}

async function deno(...args: string[]): Promise<string | undefined> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
  return success ? new TextDecoder().decode(stdout) : undefined;
}

/** Unpacks the driver; returns the path of its manifest. */
export async function unpackDriver(packed: string, to: string): Promise<string> {
  const archive = new Blob([new Uint8Array(brotliDecompressSync(await Deno.readFile(packed)))])
    .stream();
  for await (const { path, chunks } of readTar(archive, packed)) {
    if (!/vk_swiftshader/.test(path)) continue;
    using file = await Deno.open(join(to, path), { write: true, create: true });
    for await (const chunk of chunks()) await file.write(chunk);
  }
  return join(to, "vk_swiftshader_icd.json");
}
