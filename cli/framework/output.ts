/** Writing to the terminal or a pipe. */

/** Something that text is written to: Deno.stdout, Deno.stderr. */
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
 * @throws Deno.errors.BrokenPipe where the reader has gone
 */
export function write(output: Output, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(output.writeSync(bytes));
}

/** The columns of the terminal, or `otherwise` where there is none. */
export function terminalWidth(otherwise = 80): number {
  try {
    // A pseudo terminal without a size reports 0.
    return Deno.consoleSize().columns || otherwise;
  } catch {
    return otherwise;
  }
}
