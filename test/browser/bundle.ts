/**
 * Test files as modules for a browser. What they import of a host is put in another's place: the
 * assertions, the door to the GPU; and of what has no place there, a use is an error that names it.
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "esbuild";
import { bundleFolder, type Files } from "../../cli/lab/bundle.ts";

const folder = fileURLToPath(new URL("./", import.meta.url));
const here = (name: string) => ({ path: join(folder, name) });

const browser: Plugin = {
  name: "browser",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:assert\/strict$/ }, () => here("assert.ts"));
    onResolve({ filter: /\/host\/gpu\.ts$/ }, () => here("gpu.ts"));
    onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: "host" }));
    onLoad({ filter: /.*/, namespace: "host" }, async ({ path }) => ({
      contents: stub(path, Object.keys(await import(path))),
      resolveDir: folder,
    }));
  },
};

/** A module with the exports of one of the host's, of which none can be used. */
function stub(module: string, names: readonly string[]): string {
  const exported = names.filter((name) => /^\w+$/.test(name)).map((name, k) =>
    `const v${k} = host[${JSON.stringify(name)}]; export { v${k} as ${name} };`
  );
  return `import { nothing } from "./no_host.ts";
    const host = nothing(${JSON.stringify(module)});
    ${exported.join("\n")}`;
}

/** @param files by their names in test/; each becomes a module `NAME.js` */
export const bundleTests = (files: readonly string[]): Promise<Files> =>
  bundleFolder(folder, {
    entryPoints: {
      page: "page.ts",
      ...Object.fromEntries(files.map((file) => [file, `../${file}`])),
    },
    plugins: [browser],
  });
