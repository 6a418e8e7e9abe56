/**
 * Makes a machine look like another: files under the system's folders are read from the folder
 * POSED_MACHINE, where it has them. It is loaded before the program.
 */
import { join } from "node:path";

const root = Deno.env.get("POSED_MACHINE")!;
const posed = /^\/(sys|proc\/driver|dev|etc\/vulkan|usr\/share\/vulkan|\.dockerenv|run)(\/|$)/;

for (const call of ["readTextFileSync", "readDirSync", "statSync", "openSync"] as const) {
  // deno-lint-ignore no-explicit-any
  const original = Deno[call] as any;
  Object.defineProperty(Deno, call, {
    value: (path: string | URL, ...rest: unknown[]) =>
      original(posed.test(`${path}`) ? join(root, `${path}`) : path, ...rest),
  });
}
