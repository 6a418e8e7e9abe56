/** The program in a process of its own, and a data set small enough for it. */

import assert from "node:assert/strict";
import { delimiter, dirname, join } from "node:path";
import { below, draws } from "../../engine/random.ts";
import { concat, gzip } from "./io.ts";

const main = new URL("../../cli/main.ts", import.meta.url).pathname;

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command is run besides its arguments. */
export interface Surroundings {
  /** A signal that it is sent as soon as it prints what the pattern matches. */
  readonly interrupt?: { readonly at: RegExp; readonly signal: Deno.Signal };
  /** A module that runs before the program. */
  readonly preload?: URL;
  /** More environment variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The PATH of those who have Deno installed, whoever runs the tests. */
export const pathWithDeno = (): string =>
  [dirname(Deno.execPath()), Deno.env.get("PATH")].join(delimiter);

/** Starts a command. */
export const start = (
  args: readonly string[],
  { preload, env }: Pick<Surroundings, "preload" | "env"> = {},
): Deno.ChildProcess =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", ...(preload ? ["--preload", preload.pathname] : []), main]
      .concat(args),
    env: { NO_COLOR: "1", MODEL_DOCTOR_DEBUG: "", PATH: pathWithDeno(), ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

/** Runs a command. */
export async function cli(
  args: readonly string[],
  { interrupt, ...surroundings }: Surroundings = {},
): Promise<Output> {
  const child = start(args, surroundings);
  const errors = new Response(child.stderr).text();
  let stdout = "";
  let sent = false;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    stdout += text;
    if (!interrupt || sent || !interrupt.at.test(stdout)) continue;
    child.kill(interrupt.signal);
    sent = true;
  }
  const { code } = await child.status;
  assert.equal(sent, interrupt !== undefined, `${stdout}${await errors}`);
  return { code, stdout, stderr: await errors };
}

/** Runs a command that must succeed; returns what it printed. */
export async function succeed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(args);
  assert.equal(code, 0, `${args.join(" ")}\n${stdout}${stderr}`);
  assert.equal(stderr, "");
  return stdout;
}

/** Runs a command that must fail with a code and a message, and without a stack trace. */
export async function fail(code: number, message: RegExp, ...args: string[]): Promise<Output> {
  const output = await cli(args);
  assert.match(output.stderr, message);
  assert.equal(output.code, code, output.stderr);
  assert.doesNotMatch(output.stderr, /defect of the program|^ +at /m);
  return output;
}

/** Writes MNIST's four files with n training and 60 test images: a bright bar says the class. */
export async function writeMnist(folder: string, n = 200): Promise<void> {
  for (const [name, count, seed] of [["train", n, 1], ["t10k", 60, 2]] as const) {
    const word = draws(seed, 0);
    const pixels = Uint8Array.from({ length: count * 28 * 28 }, (_, at) => {
      const [label, row] = [Math.floor(at / 784) % 10, Math.floor(at / 28) % 28];
      return below(word(at), 120) + (Math.floor(row / 2.8) === label ? 100 : 0);
    });
    const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
    await writeIdx(join(folder, `${name}-images-idx3-ubyte.gz`), [count, 28, 28], pixels);
    await writeIdx(join(folder, `${name}-labels-idx1-ubyte.gz`), [count], labels);
  }
}

async function writeIdx(path: string, shape: readonly number[], values: Uint8Array) {
  const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
  header.setUint32(0, 0x0800 | shape.length);
  shape.forEach((extent, d) => header.setUint32(4 + 4 * d, extent));
  await Deno.writeFile(path, gzip(concat(new Uint8Array(header.buffer), values)));
}
