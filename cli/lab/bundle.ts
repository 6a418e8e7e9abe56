/**
 * The page as files: its HTML and style as they are, its programs and everything of the engine that
 * they import as modules for a browser. A chapter is a file of its own that is loaded when it is
 * opened. All addresses are relative, so the files may lie anywhere on a web server.
 */

import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

/** Contents by path, relative to the page. */
export type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

const page = fileURLToPath(new URL("page/", import.meta.url));

/** Packages are found where Deno keeps them; it knows, and esbuild doesn't. */
const packages: esbuild.Plugin = {
  name: "packages",
  setup({ onResolve }) {
    onResolve({ filter: /^(@[^/]+\/)?[a-z][^:]*$/ }, ({ path, kind, importer }) => {
      if (kind === "entry-point" || !isOurs(importer)) return undefined;
      return { path: fileURLToPath(import.meta.resolve(path)) };
    });
  },
};

/** Packages' own imports of packages, which stand in no import map, are resolved from where they lie. */
const isOurs = (importer: string) => importer.startsWith(join(page, "../../.."));

/** Readers of files that lie beside others ask for paths; a page is given single files and never does. */
const host: esbuild.Plugin = {
  name: "host",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:path$/ }, ({ path }) => ({ path, namespace: "host" }));
    onLoad({ filter: /.*/, namespace: "host" }, () => ({ contents: "module.exports = {};" }));
  },
};

/** @throws Error where a chapter doesn't compile: it is a defect of the program, named with its line */
export const bundle = (): Promise<Files> =>
  bundleFolder(page, { entryPoints: ["main.ts", "style.css"], minify: true, plugins: [host] });

/**
 * A folder's programs as modules for a browser, each entry under its own name, with the folder's
 * `index.html`. Shaders are imported as text.
 * @throws Error where one doesn't compile
 */
export async function bundleFolder(
  folder: string,
  { plugins = [], ...options }: esbuild.BuildOptions,
): Promise<Files> {
  try {
    const { outputFiles } = await esbuild.build({
      ...options,
      absWorkingDir: folder,
      outdir: folder,
      write: false,
      bundle: true,
      splitting: true,
      format: "esm",
      target: "es2024",
      charset: "utf8",
      chunkNames: "parts/[name]-[hash]",
      loader: { ".wgsl": "text" },
      logLevel: "silent",
      plugins: [packages, ...plugins],
    });
    const files = outputFiles!.map(({ path, contents }) =>
      [relative(folder, path).replaceAll("\\", "/"), new Uint8Array(contents)] as const
    );
    return new Map([["index.html", await Deno.readFile(join(folder, "index.html"))], ...files]);
  } finally {
    // Its process would keep this one alive.
    await esbuild.stop();
  }
}

export async function writeBundle(files: Files, folder: string): Promise<void> {
  for (const [path, contents] of files) {
    const file = join(folder, path);
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeFile(file, contents);
  }
}
