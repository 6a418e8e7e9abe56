/** Command lines with a mistake in them: each is found before anything begins, and its flag named. */
import assert from "node:assert/strict";
import { givenFlags, withDefaults, written } from "../cli/framework/flags.ts";
import { checkRules } from "../cli/framework/rules.ts";
import { commands } from "../cli/main.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import type { Option, OptionTable } from "../engine/options.ts";

/** What is wrong with a command's arguments, or undefined. */
function complaint(flags: OptionTable, args: readonly string[]): string | undefined {
  try {
    const given = givenFlags(flags, args);
    checkRules(flags, withDefaults(flags, given), new Set(Object.keys(given)));
  } catch (error) {
    assert(error instanceof UserError, `${args.join(" ")}: ${error}`);
    assert.equal(error.exitCode, ExitCode.usage);
    return error.message;
  }
}

const NO_NUMBERS = ["", " ", "one", "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e", "1;5"]
  .concat(["0x10", "0b1", "1_000", "--1", "1.2.3", "٣", "½", "∞", "\x1b[31m1", "__proto__"]);
const NO_NAMES = ["__proto__", "constructor", "toString", "\x1b[31mred", "naïve", "a b", "../x"];

/** Values that an option of this kind does not take. */
function wrongValues(option: Option): string[] {
  const { type } = option;
  if (type === "boolean") return ["", "1", "yes", "TRUE", "maybe"];
  // A list of positional arguments takes each as it is, a comma too: they are files.
  if (type === "string" || (type === "list" && option.positional)) return [""];
  if (type === "choice") {
    const { choices } = option;
    return ["", ...NO_NAMES, `${choices[0]} `, choices[0].toUpperCase(), `${choices.join(",")},`];
  }
  if (type === "list" && option.of === "string") {
    const { choices } = option;
    const name = choices?.[0] ?? "a";
    return ["", ",", `${name},`, `,${name}`, `${name},${name}`, ...choices ? NO_NAMES : []];
  }
  const { min, max, above, below } = option;
  const beyond = [min! - 1, max! + 1, above!, below!].filter(Number.isFinite).map(String);
  const isWhole = type === "integer" || type === "list" && option.of === "integer";
  const lists = type === "list" ? [",", "1,", `${max ?? 0.5},x`] : ["0.5,0.5"];
  return [...NO_NUMBERS, ...beyond, ...lists, ...isWhole ? ["0.5", "1e-1"] : []];
}

Deno.test("every flag of every command is named where its value is wrong, twice or missing", async () => {
  let lines = 0;
  for (const [command, load] of Object.entries(commands)) {
    const flags: OptionTable = (await load()).command.flags;
    const required = Object.entries(flags).filter(([, { required }]) => required);
    for (const [key, option] of Object.entries(flags)) {
      const name = written(key, option);
      const isNamed = (message = "") => message.includes(name.replace(/^--/, ""));
      const others = required.filter(([other]) => other !== key).flatMap(([other, of]) =>
        of.positional ? ["x"] : [`${written(other, of)}=x`]
      );
      const refuse = (...args: string[]) => {
        lines++;
        const message = complaint(flags, [...others, ...args]);
        assert(isNamed(message), `${command} ${JSON.stringify(args)}: ${message}`);
      };
      const form = (value: string) => option.positional ? value : `${name}=${value}`;
      for (const value of wrongValues(option)) refuse(form(value));
      if (option.positional) continue;
      const right = option.type === "boolean"
        ? "true"
        : option.type === "string"
        ? "x"
        : option.type === "choice"
        ? option.choices[0]
        : option.type === "list" && option.of === "string"
        ? option.choices?.[0] ?? "x"
        : String(option.max ?? option.min ?? 0.5);
      refuse(form(right), form(right));
      if (option.type !== "boolean") refuse(name);
      else refuse(`--no-${name.slice(2)}=true`);
    }
  }
  assert(lines > 3000, `${lines}`);
});

Deno.test("flags that contradict each other, or would have no effect, are refused by their names", async () => {
  const refused: readonly [line: string, flag: string][] = [
    ["treat --weights F", "--epochs 1"],
    ["treat --weights F", "--lr 1"],
    ["study sweep --weights F", "--lr 1"],
    ["study sweep --weights F", "--epochs 3"],
    ["treat --alpha 0", "--form share"],
    ["treat --beta 0", "--space-form share"],
    ["treat --beta 0", "--space-layer input"],
    ["treat --beta 0", "--space-warmup 1"],
    ["treat --beta 0", "--space-course cosine"],
    ["study sweep --beta 0", "--space-layer input"],
    ["treat --noise 0", "--noise-copies 3"],
    ["treat --arms control,sam", "--alpha 1"],
    ["table --arms sam", "--space-form share"],
    ["treat --arms control", "--warmup 1"],
    ["treat --arms control,treated", "--sam-rho 0.1"],
    ["treat --optimizer adam", "--momentum 0.5"],
    ["treat --alpha 1", "--alpha-kappa 0.1"],
    ["diagnose --weights F", "--noise-copies 3"],
    ["treat --measures none", "--measure-images 5"],
    ["treat --measures noise", "--epsilons 1"],
    ["treat --measures fgsm", "--noise-levels 1"],
    ["treat --measures fgsm", "--noise-draws 2"],
    ["treat --measures fgsm", "--insertion-steps 3"],
    ["treat --data shapes", "--data-dir D"],
    ["train --data shapes", "--layout classes"],
    ["train --data mnist", "--test-share 0.5"],
    ["train --data cifar10", "--outside"],
    ["train --data mnist", "--resize-mode pad"],
    ["train --data mnist", "--correlation 1"],
    ["table --data shapes,mnist", "--figures mnist"],
    ["treat --seed 4294967295", "--seeds 2"],
    ["table --seed 4294967295", "--seeds 2"],
    ["study sweep --seed 4294967290", "--seeds 10"],
    ["table --only-write", "--alpha 1"],
    ["table --only-write", "--keep-weights"],
    ["sift --import D", "--weights F"],
    ["sift --import D", "--images-per-class 3"],
    ["bench --steps", "--batch 8"],
    ["bench --peers", "--models small"],
    ["bench --faces", "--step-batch 3"],
    ["profile --stage train", "--alpha 1"],
    ["profile --stage eval", "--form share"],
    ["tune --stage train", "--layer last"],
    ["models", "--layers"],
  ];
  for (const [line, flag] of refused) {
    const args = `${line} ${flag}`.split(" ");
    const words = args[0] === "study" ? 2 : 1;
    const { flags } = (await commands[args.slice(0, words).join(" ")]()).command;
    const message = complaint(flags, args.slice(words));
    const [name] = flag.split(" ");
    assert(message?.startsWith(`${name} `), `${line} ${flag}: ${message}`);
  }
});
