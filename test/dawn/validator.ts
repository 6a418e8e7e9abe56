/** What browsers would say to shaders; see process.ts, which says it. */

import assert from "node:assert/strict";
import { SUBGROUP_DIRECTIVES } from "../../engine/gpu/adapter.ts";

const folder = new URL(".", import.meta.url).pathname;

/** For each shader what is wrong with it, or null. */
export async function complaints(shaders: readonly string[]): Promise<(string | null)[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--no-config", // whose dependencies would be locked along
      `--lock=${folder}lock.json`,
      "--frozen",
      `${folder}process.ts`,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(shaders.map(forBrowsers))));
  await writer.close();
  const { code, stdout, stderr } = await output;
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

function forBrowsers(wgsl: string): string {
  const subgroups = /^[^/]*\bsubgroup\w+\(/m.test(wgsl) && !/^fn subgroup/m.test(wgsl);
  return subgroups ? SUBGROUP_DIRECTIVES + wgsl : wgsl;
}
