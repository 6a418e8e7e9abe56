/** The text of `--help`: everything in it comes from the command's own declaration. */
import project from "../../deno.json" with { type: "json" };
import { ExitCode } from "../../engine/errors.ts";
import { type AnyCommand, type Example, flagsOf } from "./command.ts";
import { callable, TASK } from "./launcher.ts";
import { WIDTH, wrap } from "../../engine/prose.ts";
import { type Flag, flagName, rangeText } from "./flags.ts";

const meanings: Record<keyof typeof ExitCode, string> = {
  ok: "success",
  failure: "a defect of this program, or a failure without a code of its own",
  usage: "a mistake in the command line",
  noAdapter: "no GPU adapter answers, or not the one that is in the machine",
  data: "a data set is missing, damaged or not what it should be",
  weights: "weights are damaged or belong to another model",
  diverged: "the training diverged (a loss that is not a number)",
  io: "a file or a folder cannot be read or written",
  method: "the method cannot be applied as asked",
  gpu: "the GPU reported an error or was lost",
  interrupted: "interrupted; the same command resumes where it stopped, where that is possible",
};

/** How a command is called. @param runner as `taskRunner` finds it on this machine */
export const commandLine = (name: string, runner = TASK): string => `${runner} ${name}`;

const NAME = "Model Doctor";

/** What `--version` prints. */
export const version = (): string =>
  `${NAME} ${project.version} (Deno ${Deno.version.deno}, V8 ${Deno.version.v8})`;

/** The help text of one command, in lines of at most `width` columns. */
export function commandHelp(command: AnyCommand, width = WIDTH, runner = TASK): string {
  // Before it is broken into lines, a text says how commands are called here.
  const prose = (text: string) => wrap(callable(text, runner), width);
  const row = (of: readonly [string, Flag]): Row => {
    const [left, right] = flagRow(of);
    return [left, callable(right, runner)];
  };
  const { name, summary, description, examples } = command;
  const flags = Object.entries(flagsOf(command));
  const positionals = flags.filter(([, flag]) => flag.positional);
  const named = flags.filter(([, flag]) => !flag.positional);
  const helpRow: Row = ["-h, --help", "show this text"];
  const exitRows = Object.entries(ExitCode).map(([code, number]): Row => [
    String(number),
    meanings[code as keyof typeof ExitCode],
  ]);
  return [
    prose(summary),
    description && "\n" + prose(description),
    `\nUsage: ${
      [commandLine(name, runner), ...positionals.map(usage), named.length > 0 && "[flags]"]
        .filter(Boolean).join(" ")
    }`,
    positionals.length > 0 && "\nArguments:",
    positionals.length > 0 && columns(positionals.map(row), width),
    "\nFlags:",
    columns([...named.map(row), helpRow], width),
    examples.length > 0 && "\nExamples:\n" + examples
        .map((of) => example(commandLine(name, runner), of, width)).join("\n"),
    "\nExit codes:",
    columns(exitRows, width),
  ].filter((part) => part !== undefined && part !== false).join("\n");
}

/**
 * The list of commands that the program prints when it is called without one.
 * @param family the first word of the commands, where it is a list of those with the same
 */
export function programHelp(
  commands: readonly AnyCommand[],
  width = WIDTH,
  family?: string,
  runner = TASK,
): string {
  const any = commandLine(family ? `${family} <command>` : "<command>", runner);
  return [
    wrap(
      `${NAME}: diagnose and treat convolutional classifiers by constraints on their gradients`,
      width,
    ),
    `\nUsage: ${any} [flags]`,
    "\nCommands:",
    columns(commands.map(({ name, summary }): Row => [name, summary]), width),
    wrap(
      `\n${any} --help lists a command's flags, as does help <command>; --version tells the version.`,
      width,
    ),
  ].join("\n");
}

type Row = readonly [left: string, right: string];

const flagRow = ([key, flag]: readonly [string, Flag]): Row => [
  (flag.positional ? placeholder(flag) : `${flagName(key)} ${placeholder(flag)}`).trim(),
  `${flag.help}${details(flag)}`,
];

/** A command line that is too long goes on in the next, as a shell reads it. */
const example = (called: string, { args, does }: Example, width: number): string =>
  wrap(`  ${called} ${args}`.trimEnd(), width - 2, " ".repeat(4), " \\") +
  `\n      ${does}`;

/** A positional argument in the line that shows how a command is called. */
const usage = ([, flag]: readonly [string, Flag]): string => {
  const one = flag.required ? placeholder(flag) : `[${placeholder(flag)}]`;
  return flag.type === "list" ? `${one} ..` : one;
};

function placeholder(flag: Flag): string {
  if (flag.value !== undefined) return `<${flag.value}>`;
  switch (flag.type) {
    case "boolean":
      return "";
    case "integer":
      return "<n>";
    case "number":
      return "<x>";
    case "list":
      return flag.of === "string" ? "<a,b,..>" : flag.of === "integer" ? "<n,n,..>" : "<x,x,..>";
    default:
      return `<${flag.type === "choice" ? "choice" : "text"}>`;
  }
}

/** " (above 0; default 0.1)" */
function details(flag: Flag): string {
  const parts = [
    "choices" in flag && flag.choices?.join(", "),
    "also" in flag && flag.also?.what,
    "min" in flag || "max" in flag || "above" in flag || "below" in flag ? rangeText(flag) : false,
    flag.required && "required",
    defaultText(flag),
  ].filter((part) => part);
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}

function defaultText(flag: Flag): string | false {
  if (flag.default === undefined) return false;
  if (flag.type === "boolean") return flag.default && "default yes; --no-... turns it off";
  return `default ${flag.default}`;
}

/** Two columns: the right one begins at the same place in every row and is wrapped to `width`. */
function columns(rows: readonly Row[], width: number): string {
  const longest = Math.max(...rows.map(([left]) => left.length));
  const start = 2 + Math.min(longest, 28) + 2;
  return rows.map(([left, right]) => {
    const body = wrap(right, Math.max(width - start, 20)).replaceAll(
      "\n",
      "\n" + " ".repeat(start),
    );
    const head = `  ${left}`;
    return head.length + 2 <= start
      ? head.padEnd(start) + body
      : `${head}\n${" ".repeat(start)}${body}`;
  }).join("\n");
}
