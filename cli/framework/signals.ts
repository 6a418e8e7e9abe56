/** Ctrl-C in two steps: the first asks the work to stop in order, the second leaves at once. */
import { ExitCode, UserError } from "../../engine/errors.ts";

/** Windows knows no SIGTERM. */
const interruptSignals: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

/**
 * One key press can arrive several times: from the terminal, and passed on by npx, by
 * `deno task` and by a process that was started again. Milliseconds within which it counts as one.
 */
const onePress = 400;

export interface Interrupt {
  /** Aborted by the first SIGINT or SIGTERM, with a UserError (interrupted) as its reason. */
  readonly signal: AbortSignal;
  /** Listens no longer. */
  release(): void;
}

/**
 * Listens for SIGINT and SIGTERM.
 *
 * @param tell is given the line that says how to leave at once
 */
export function listenForInterrupt(tell: (line: string) => void): Interrupt {
  const controller = new AbortController();
  let first: number | undefined;
  const onSignal = (name: Deno.Signal) => {
    const now = performance.now();
    if (first !== undefined && now - first > onePress) Deno.exit(ExitCode.interrupted);
    if (first !== undefined) return;
    first = now;
    tell("\nStopping at the next step; once more to leave at once.");
    controller.abort(new UserError(`interrupted (${name})`, ExitCode.interrupted));
  };
  const listeners = interruptSignals.map((name) => [name, () => onSignal(name)] as const);
  for (const [name, listener] of listeners) Deno.addSignalListener(name, listener);
  return {
    signal: controller.signal,
    release: () => listeners.forEach((listener) => Deno.removeSignalListener(...listener)),
  };
}

/** Passes the signals that this process is sent on to `child`. */
export function passInterruptsTo(child: Deno.ChildProcess): void {
  for (const name of interruptSignals) {
    Deno.addSignalListener(name, () => {
      try {
        child.kill(name);
      } catch { /* it has ended */ }
    });
  }
}
