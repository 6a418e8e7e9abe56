/**
 * Every test: the files side by side, one on each processor, and after them, one by one, those that
 * want the process or the clock for themselves. (Most of a test's time goes to Mesa's compiler, which
 * has one thread for each device; side by side a run takes half as long.)
 *
 *     deno run -A test/run.ts [flags of deno test]
 */
import { fileURLToPath } from "node:url";

/** The files that run alone, and what for. */
const ALONE: Readonly<Record<string, string>> = {
  adapter: "sets variables of the process",
  certify: "sets variables of the process",
  cli_own_model: "sets variables of the process",
  cli_real_slurm: "starts daemons, fills two cores",
  cli_tune: "sets variables of the process",
  cluster_real_slurm: "sets variables of the process, starts daemons",
  cluster_slurm: "sets variables of the process",
  plan_steady: "times steps",
  tune: "sets variables of the process",
};

const root = fileURLToPath(new URL("..", import.meta.url));
const alone = Object.keys(ALONE).map((name) => `test/${name}.test.ts`);

/** @returns the exit code of `deno test` */
async function test(...flags: string[]): Promise<number> {
  const args = ["test", "-A", ...flags, ...Deno.args];
  return (await new Deno.Command(Deno.execPath(), { args, cwd: root }).spawn().status).code;
}

console.log("side by side:");
const first = await test("--parallel", `--ignore=${alone.join(",")}`, "test/");
console.log("\none by one:");
const second = await test(...alone);
Deno.exit(first || second);
