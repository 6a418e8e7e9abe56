/** Starting the same command again in a process of its own. */
import { ignoresHangUp, passInterruptsTo } from "./signals.ts";

/**
 * Runs the command that this process was started with once more, and returns its exit code.
 *
 * @param marker an environment variable that is set in the new process, so that it can tell
 * @param flags of Deno
 */
export async function runAgain(marker: string, flags: readonly string[] = []): Promise<number> {
  const command = [Deno.execPath(), "run", "-A", ...flags, Deno.mainModule, ...Deno.args];
  // This process listens to what it was started to ignore, and passes that on to nobody.
  const [program, ...args] = ignoresHangUp
    ? ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", ...command]
    : command;
  const child = new Deno.Command(program, { args, env: { [marker]: "1" } }).spawn();
  passInterruptsTo(child);
  return (await child.status).code;
}
