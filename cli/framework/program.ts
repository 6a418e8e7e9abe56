/** A program of several commands: finds the command, runs it, turns every outcome into an exit code. */
import { ExitCode, UserError } from "../../engine/errors.ts";
import type { Gpu } from "../../engine/gpu/adapter.ts";
import { nearest } from "../../engine/nearest.ts";
import { printableLines } from "../../engine/printable.ts";
import { type AnyCommand, type Context, flagsOf } from "./command.ts";
import { givenFlags, withDefaults } from "./flags.ts";
import { commandHelp, commandLine, programHelp, version } from "./help.ts";
import { callable, taskRunner } from "./launcher.ts";
import { stderr, stdout, write } from "./output.ts";
import { checkPlaces } from "./places.ts";
import { checkRules } from "./rules.ts";
import { runAgain } from "./restart.ts";
import { keepIgnoring, listenForInterrupt } from "./signals.ts";
import { WIDTH, wrap } from "../../engine/prose.ts";

/**
 * Each command by name, loaded when it is asked for. A name of two words makes its command one of a
 * family, which shares the first; that may be a command by itself.
 */
export type Commands = Readonly<Record<string, () => Promise<{ readonly command: AnyCommand }>>>;

const print = (line = ""): void => write(stdout, printableLines(callable(line)) + "\n");

/** Lines for people: on a terminal they fit; elsewhere they stay whole, for those who search. */
function complain(line: string): void {
  const text = printableLines(callable(line));
  write(stderr, (stderr.isTerminal() ? wrap(text, WIDTH, "  ") : text) + "\n");
}

/** Runs the command that `args` name and ends the process with its exit code. */
export async function main(commands: Commands, args: readonly string[]): Promise<never> {
  keepIgnoring();
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    Deno.exit(report(event.reason));
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    Deno.exit(report(event.error));
  });
  try {
    Deno.exit(await dispatch(commands, args));
  } catch (error) {
    Deno.exit(report(error));
  }
}

async function dispatch(commands: Commands, args: readonly string[]): Promise<ExitCode> {
  if (args[0] === "help" && args.length > 1) args = [...args.slice(1), "--help"];
  const [first, second] = args;
  const list = async (names: readonly string[], family?: string) => {
    const all = await Promise.all(names.map((name) => commands[name]()));
    print(programHelp(all.map(({ command }) => command), WIDTH, family, taskRunner()));
    return ExitCode.ok;
  };
  const names = Object.keys(commands);
  if (args.includes("--version")) {
    print(version());
    return ExitCode.ok;
  }
  if (isAskedFor(first)) return await list(names);
  const family = names.filter((name) => name.startsWith(`${first} `));
  const isCommand = Object.hasOwn(commands, first);
  if (family.length > 0 && !isCommand && isAskedFor(second)) return await list(family, first);
  const isFamily = family.length > 0 && (!isCommand || family.includes(`${first} ${second}`));
  const words = isFamily ? 2 : 1;
  const name = args.slice(0, words).join(" ");
  if (!Object.hasOwn(commands, name)) {
    throw unknownCommand(name, family.length > 0 ? family : names);
  }
  const rest = args.slice(words);
  const { command } = await commands[name]();
  if (rest.some(isHelp)) {
    print(commandHelp(command, WIDTH, taskRunner()));
    return ExitCode.ok;
  }
  return await run(command, rest);
}

/** Whether, instead of a command, the list of commands is asked for. */
const isAskedFor = (arg: string | undefined): boolean =>
  arg === undefined || isHelp(arg) || arg === "help";

async function run(command: AnyCommand, args: readonly string[]): Promise<ExitCode> {
  const { values, given, device } = parseWithHint(command, args);
  await checkPlaces(command.flags, values, given);
  const work = stdout.work = new AbortController();
  let release: (() => void) | undefined;
  let gpu: Promise<Gpu> | undefined;
  const context: Context = {
    signal: work.signal,
    working: () => {
      release ??= listenForInterrupt(work, complain);
    },
    given,
    print,
    // Loaded late: most mistakes are found before a GPU is needed.
    gpu: () => gpu ??= import("./gpu.ts").then((door) => door.openOrInstallGpu(complain, device)),
    startAgain: async (marker, flags) => {
      release?.();
      return Deno.exit(await runAgain({ [marker]: "1" }, flags));
    },
  };
  try {
    const code = await command.run(values, context) ?? ExitCode.ok;
    if (gpu) await lastErrors(await gpu);
    return code;
  } finally {
    // A driver that still compiles when the process ends may take it down with a code of its own.
    const opened = await (gpu as Promise<Gpu> | undefined)?.catch(() => undefined);
    await opened?.settle();
  }
}

/** Nothing that the GPU reported is lost because the command never asked. */
async function lastErrors(gpu: Gpu): Promise<void> {
  // Errors are events: they arrive on the next turn.
  await new Promise((resolve) => setTimeout(resolve, 0));
  gpu.check();
}

function parseWithHint(command: AnyCommand, args: readonly string[]) {
  try {
    const { device, ...given } = givenFlags(flagsOf(command), args);
    const values = withDefaults(command.flags, given);
    const named = new Set(Object.keys(given));
    checkRules(command.flags, values, named);
    return { values, given: named, device: device as string | undefined };
  } catch (error) {
    if (!(error instanceof UserError) || error.hint) throw error;
    const hint = `${commandLine(command.name)} --help lists the flags`;
    throw new UserError(error.message, error.exitCode, hint);
  }
}

function unknownCommand(name: string, names: readonly string[]): UserError {
  const meant = nearest(name, names);
  return new UserError(
    `unknown command "${name}"${meant ? `; did you mean ${commandLine(meant)}?` : ""}`,
    ExitCode.usage,
    `the commands are ${names.join(", ")}`,
  );
}

const isHelp = (arg: string): boolean => arg === "--help" || arg === "-h";

/** Tells what went wrong; returns the exit code. */
function report(error: unknown): ExitCode {
  // The reader of stdout has gone (`| head`) and wants no more.
  if (error instanceof Deno.errors.BrokenPipe) return ExitCode.ok;
  if (error instanceof UserError) {
    // Further lines are indented: a name in a message can't begin a line of its own.
    const indented = (text: string) => text.replaceAll("\n", "\n  ");
    complain(`error: ${indented(error.message)}`);
    if (error.hint) complain(`hint: ${indented(error.hint)}`);
    return error.exitCode;
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  complain(`error: this is a defect of the program: ${message}`);
  if (!Deno.env.get("MODEL_DOCTOR_DEBUG")) {
    complain("hint: MODEL_DOCTOR_DEBUG=1 shows where");
  } else if (error instanceof Error) complain(error.stack ?? "no stack");
  return ExitCode.failure;
}
