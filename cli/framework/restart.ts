/** Starting the same command again in a process of its own. */
import { ignoresHangUp, passInterruptsTo } from "./signals.ts";

/**
 * Runs the command that this process was started with once more, and returns its exit code.
 *
 * @param env variables that are set in the new process besides, by one of which it can tell
 * @param flags of Deno
 */
export async function runAgain(
  env: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): Promise<number> {
  const command = [Deno.execPath(), "run", "-A", ...flags, Deno.mainModule, ...Deno.args];
  // This process listens to what it was started to ignore, and passes that on to nobody.
  const [program, ...args] = ignoresHangUp
    ? ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", ...command]
    : command;
  const child = new Deno.Command(program, { args, env: { ...env } }).spawn();
  passInterruptsTo(child);
  return (await child.status).code;
}
