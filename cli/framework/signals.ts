/** Ctrl-C in two steps: the first asks the work to stop in order, the second leaves at once. */
import { ExitCode, UserError } from "../../engine/errors.ts";

/** Started by `nohup`: a terminal that closes is no reason to stop. Only Linux tells. */
export const ignoresHangUp: boolean = ((): boolean => {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
    // SIGHUP has the number 1, and so the lowest bit.
    return mask !== undefined && parseInt(mask.at(-1)!, 16) % 2 === 1;
  } catch {
    return false;
  }
})();

/** Windows knows only the first. */
const interruptSignals: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ignoresHangUp
  ? ["SIGINT", "SIGTERM"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Goes on ignoring what the process was started to ignore. As soon as anything listens to any
 * signal, Node's modules included, Deno ends at all that have no listener; so this one has one.
 */
export function keepIgnoring(): void {
  if (ignoresHangUp) Deno.addSignalListener("SIGHUP", () => {});
}

/**
 * One key press can arrive several times: from the terminal, and passed on by npx, by
 * `deno task` and by a process that was started again. Milliseconds within which it counts as one.
 */
const onePress = 400;

/**
 * Listens for SIGINT (Ctrl-C), SIGTERM (`kill`) and SIGHUP (the terminal was closed).
 *
 * @param work is aborted by the first, with a UserError (interrupted) as its reason
 * @param tell is given the line that says how to leave at once
 * @returns what ends it: from then on signals end the process
 */
export function listenForInterrupt(
  work: AbortController,
  tell: (line: string) => void,
): () => void {
  let first: number | undefined;
  const onSignal = (name: Deno.Signal) => {
    const now = performance.now();
    if (first !== undefined && now - first > onePress) Deno.exit(ExitCode.interrupted);
    if (first !== undefined) return;
    first = now;
    tell("\nStopping at the next step; once more to leave at once.");
    work.abort(new UserError(`interrupted (${name})`, ExitCode.interrupted));
  };
  return listen(onSignal);
}

/** Passes the signals that this process is sent on to `child`. */
export function passInterruptsTo(child: Deno.ChildProcess): void {
  listen((name) => {
    try {
      child.kill(name);
    } catch { /* it has ended */ }
  });
}

/** Listens until what it returns is called. */
function listen(onSignal: (name: Deno.Signal) => void): () => void {
  const listeners = interruptSignals.map((name) => [name, () => onSignal(name)] as const);
  for (const listener of listeners) Deno.addSignalListener(...listener);
  return () => listeners.forEach((listener) => Deno.removeSignalListener(...listener));
}
