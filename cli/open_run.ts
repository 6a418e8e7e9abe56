/** Runs in folders, begun or gone on with under the settings that they were begun with. */

import { ExitCode, TooLarge, UserError } from "../engine/errors.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import { modelFileName } from "./model_file.ts";
import type { Context } from "./framework/command.ts";
import { flagName, type FlagTable, parseFlags, type Values } from "./framework/flags.ts";
import { checkRules } from "./framework/rules.ts";

/** A run that is begun or gone on with. */
export interface Run<Args> {
  readonly args: Args;
  /** The folder of a run that is gone on with. */
  readonly resumed?: RunFolder;
  /** Opens the run's folder. Not called before, so that a mistake leaves nothing behind. */
  open(): Promise<RunFolder>;
}

export interface RunOptions {
  /** Flags of each call, which the run does not keep. */
  readonly own?: FlagTable;
  /** Several processes work in it; the first begins it, and the same command finds it. */
  readonly isShared?: boolean;
  /** It is looked into alone: where there is none, none is made. */
  readonly looksOnly?: boolean;
}

/**
 * The run that the flags ask for: a new one, or with --resume one that was begun before, with the
 * settings that it was begun with.
 * @throws UserError (usage) where a flag contradicts those, (io) where there is no such run
 */
export async function openRun<T extends FlagTable>(
  command: string,
  flags: T,
  given: Values<T> & { model: string; data: string; out?: string; resume?: string },
  { given: named }: Context,
  { own = {}, isShared = false, looksOnly = false }: RunOptions = {},
): Promise<Run<Values<T>>> {
  const isOwn = ([key]: readonly [string, unknown]) => key in own;
  const [ofCall = [], kept = []] = [true, false].map((wanted) =>
    Object.entries(given).filter((entry) => isOwn(entry) === wanted)
  );
  const begun = given.resume ?? (isShared ? await begunAt(given.out) : undefined);
  if (begun !== undefined) {
    const { folder, config } = await RunFolder.resume(begun);
    const settings = parseConfig(command, flags, config, folder.file("config.json"));
    const isSaid = (key: string) => key in own || (key === "out" && given.out === begun);
    const said = new Set([...named].filter((key) => !isSaid(key)));
    refuseContradictions(flags, said, given, settings, begun);
    const args = { ...settings, ...Object.fromEntries(ofCall) };
    checkRules(own, args, new Set([...named].filter((key) => key in own)));
    return { args, resumed: folder, open: async () => isShared ? folder : await folder.enter() };
  }
  const config = { command, ...Object.fromEntries(kept) };
  const open = async () =>
    looksOnly
      ? await RunFolder.peek(given.out!)
      : isShared
      ? await RunFolder.share(given.out!, config)
      : await RunFolder.create(given.out ?? await freeFolder(command, given), config);
  return { args: given, open };
}

/** The folder of a shared run, where it is begun. @throws UserError (usage) where none is named */
async function begunAt(out: string | undefined): Promise<string | undefined> {
  if (out === undefined) {
    throw new UserError(
      "several processes work in one folder, and none is named",
      ExitCode.usage,
      "name it with --out; --resume does for a run that is begun",
    );
  }
  return await RunFolder.isAt(out) ? out : undefined;
}

/** A folder in runs/ that is not there yet. */
export function freeFolder(command: string, args: { model: string; data: string }) {
  const name = command.replace(" ", "-");
  return RunFolder.firstFree(`runs/${name}-${modelFileName(args.model)}-${args.data}`);
}

/** The settings in a run's config.json, read as the flags that they once were. */
function parseConfig<T extends FlagTable>(
  command: string,
  flags: T,
  config: unknown,
  path: string,
): Values<T> {
  const { command: of, ...settings } = Object(config);
  if (of !== command) {
    throw new UserError(
      `${path} is of no run of ${command}`,
      ExitCode.usage,
      of && `continue it with deno task ${of} --resume`,
    );
  }
  try {
    return parseFlags(
      flags,
      Object.entries(settings).map(([key, value]) => `${flagName(key)}=${value}`),
    );
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${path}: ${error.message}`, ExitCode.io);
  }
}

/** A flag on the command line that says something else than the run was begun with. */
function refuseContradictions<T extends FlagTable>(
  flags: T,
  named: ReadonlySet<string>,
  given: Values<T>,
  settings: Values<T>,
  folder: string,
): void {
  for (const key of Object.keys(flags)) {
    const [wanted, has] = [given[key], settings[key]].map((value) => value && String(value));
    if (key === "resume" || !named.has(key) || wanted === has) continue;
    throw new UserError(
      `${flagName(key)} ${wanted} contradicts the run in ${folder}, which was begun ` +
        (has === undefined ? `without ${flagName(key)}` : `with ${flagName(key)} ${has}`),
      ExitCode.usage,
      "leave it out to continue that run, or begin another one without --resume",
    );
  }
}

/** Says how to go on where a run ended early for a reason that may be gone the next time. */
export function adviseResume(
  command: string,
  folder: RunFolder,
  context: Context,
  error: unknown,
): void {
  const passing: ExitCode[] = [ExitCode.interrupted, ExitCode.io, ExitCode.gpu];
  if (!(error instanceof UserError) || !passing.includes(error.exitCode)) return;
  if (error instanceof TooLarge) return;
  context.print(`\nstopped; continue with: deno task ${command} --resume ${folder.path}`);
}
