/** What a command is: a name, a table of flags and something to run. One file each in cli/. */
import type { ExitCode } from "../../engine/errors.ts";
import type { Gpu } from "../../engine/gpu/adapter.ts";
import { type FlagTable, flagTable, type Values } from "./flags.ts";

/** What a command is given beside its flags. */
export interface Context {
  /**
   * Aborted by output that cannot be written, and once `working` was called by the first Ctrl-C
   * (SIGINT), SIGTERM or SIGHUP, with a UserError (interrupted) as its reason:
   * `context.signal.throwIfAborted()` between steps leaves in order. Signals arrive only when the
   * event loop turns, so long work must await a timer or a readback now and then.
   */
  readonly signal: AbortSignal;
  /**
   * Says that there is work to lose. Before, a signal ends the process at once, even where the
   * event loop stands still for long: kernels compile, data is made.
   */
  working(): void;
  /** The keys of the flags that the command line names; the others have their defaults. */
  readonly given: ReadonlySet<string>;
  /**
   * The GPU, opened at the first call. Where no adapter answers, a software one is installed and
   * the process may be started again, so call it before any output and before any slow work.
   *
   * @throws UserError (noAdapter)
   */
  gpu(): Promise<Gpu>;
  /**
   * Starts the command again with these flags of Deno, in a process where the environment variable
   * `marker` is set, and leaves with its exit code.
   */
  startAgain(marker: string, flags: readonly string[]): Promise<never>;
  /** Writes a line to stdout. When the reader has gone (`| head`), the command ends quietly. */
  print(line?: string): void;
}

export interface Example {
  /** What follows the command's name. */
  readonly args: string;
  /** What it does, in a line. */
  readonly does: string;
}

export interface Command<T extends FlagTable> {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** A paragraph for the help text, where a line says too little. */
  readonly description?: string;
  readonly flags: T;
  /** It never asks for the GPU. */
  readonly withoutGpu?: true;
  readonly examples: readonly Example[];
  /** Runs it; nothing returned means success. */
  run(args: Values<T>, context: Context): Promise<ExitCode | void>;
}

/** A command of which only the declaration matters. */
// deno-lint-ignore no-explicit-any
export type AnyCommand = Command<any>;

export const deviceFlag = flagTable({
  device: {
    type: "string",
    value: "DEVICE",
    help: "what to compute on: cpu, or the number or a part of the name of a GPU, as " +
      "deno task info --all lists them (default the strongest GPU)",
  },
});

/** A command's flags, with those that are about the machine; no run keeps these. */
export const flagsOf = ({ flags, withoutGpu }: AnyCommand): FlagTable =>
  withoutGpu ? flags : { ...flags, ...deviceFlag };

/** Declares a command, so that `run` knows the types of its flags. */
export const defineCommand = <const T extends FlagTable>(command: Command<T>): Command<T> =>
  command;
