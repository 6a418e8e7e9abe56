/** Chromium's software driver for Vulkan, from the package of a Chromium for servers. */

import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { readTar } from "../../engine/io/tar.ts";
import { npmFile } from "../support/npm_file.ts";

/** Path of the packed driver in Deno's cache, or undefined where it can't be had. */
export function packedDriver(): Promise<string | undefined> {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return Promise.resolve(undefined);
  return npmFile({
    package: "@sparticuz/chromium@147.0.0",
    lock: new URL("lock.json", import.meta.url).pathname,
    file: "bin/swiftshader.tar.br",
  });
}

/** Unpacks the driver; returns the path of its manifest. */
export async function unpackDriver(packed: string, to: string): Promise<string> {
  await unpackTar(packed, to, (path) => /vk_swiftshader/.test(path));
  return join(to, "vk_swiftshader_icd.json");
}

/** Unpacks those files of a `.tar.br` that are wanted. */
export async function unpackTar(
  packed: string,
  to: string,
  wanted: (path: string) => boolean = () => true,
): Promise<void> {
  const bytes = new Uint8Array(brotliDecompressSync(await Deno.readFile(packed)));
  for await (const { path, chunks } of readTar(new Blob([bytes]).stream(), packed)) {
    if (path.endsWith("/") || !wanted(path)) continue;
    await Deno.mkdir(dirname(join(to, path)), { recursive: true });
    using file = await Deno.open(join(to, path), { write: true, create: true });
    for await (const chunk of chunks()) await file.write(chunk);
  }
}
