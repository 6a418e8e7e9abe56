/** Writing to the terminal, a pipe or a file. */
import { fileError } from "../../engine/io/files.ts";

/** Something that text is written to. */
export interface Output {
  writeSync(bytes: Uint8Array): number;
  isTerminal(): boolean;
}

const encoder = new TextEncoder();

/**
 * Writes all of `text`.
 *
 * `console.log` would swallow a broken pipe, and a long run whose reader has gone would go on.
 *
 * @throws what the output does
 */
export function write(output: Output, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(written(output, bytes));
}

/** Writes some of the bytes. A pipe that does not block says that it is full: then it is waited for. */
function written(output: Output, bytes: Uint8Array): number {
  while (true) {
    try {
      return output.writeSync(bytes);
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, fullPipePause);
    }
  }
}

/** Milliseconds. */
const fullPipePause = 5;

/**
 * The standard output. The first text that it does not take is a reason to stop in order, as
 * Ctrl-C is: it aborts `work`, so that what is under way is saved, and is thrown. What comes after
 * that, or after Ctrl-C, has no reader and is dropped: the terminal or `tee` may have gone first.
 *
 * It throws Deno.errors.BrokenPipe where the reader has gone (`| head`), else a UserError (io).
 */
export const stdout: Output & { work?: AbortController } = {
  isTerminal: () => Deno.stdout.isTerminal(),
  writeSync(bytes) {
    try {
      return Deno.stdout.writeSync(bytes);
    } catch (error) {
      if (error instanceof Deno.errors.WouldBlock) throw error;
      if (stdout.work?.signal.aborted) return bytes.length;
      const gone = error instanceof Deno.errors.BrokenPipe;
      const reason = gone ? error : fileError("write to", "the standard output", error);
      stdout.work?.abort(reason);
      throw reason;
    }
  },
};

/** The standard error. What it does not take is dropped: there is nobody else to tell. */
export const stderr: Output = {
  isTerminal: () => Deno.stderr.isTerminal(),
  writeSync(bytes) {
    try {
      return Deno.stderr.writeSync(bytes);
    } catch {
      return bytes.length;
    }
  },
};

/** The columns of the terminal, or `otherwise` where there is none. */
export function terminalWidth(otherwise = 80): number {
  try {
    // A pseudo terminal without a size reports 0.
    return Deno.consoleSize().columns || otherwise;
  } catch {
    return otherwise;
  }
}
