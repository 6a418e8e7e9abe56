/**
 * How the commands are called on this machine. Every text says `deno task`, as the documentation
 * does; where Deno is not installed, npx brings it, and what is printed says that.
 */
import { delimiter, join } from "node:path";

/** As texts have it. */
export const TASK = "deno task";

/** "deno task", or "npx -y deno task" where there is no `deno` on the PATH. */
export function taskRunner(path = Deno.env.get("PATH") ?? ""): string {
  return isOnPath(path) ? TASK : `npx -y ${TASK}`;
}

/** A text in which every `deno task` is what its reader can call. */
export function callable(text: string, runner = taskRunner()): string {
  return runner === TASK ? text : text.replace(/(?<!npx\s+-y\s+)\bdeno task\b/g, runner);
}

function isOnPath(path: string): boolean {
  const names = Deno.build.os === "windows" ? ["deno.exe", "deno.cmd"] : ["deno"];
  return path.split(delimiter).filter((folder) => folder !== "" && !isOfNpx(folder))
    .some((folder) => names.some((name) => isFile(join(folder, name))));
}

/** What npx puts on the PATH is gone with it. */
const isOfNpx = (folder: string): boolean =>
  /[\\/]_npx[\\/][^\\/]+[\\/]node_modules[\\/]\.bin/.test(folder);

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
