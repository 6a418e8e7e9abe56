import assert from "node:assert/strict";
import { defineCommand } from "../cli/framework/command.ts";
import { flagName, flagTable, parseFlags, withoutFlags } from "../cli/framework/flags.ts";
import { commandHelp } from "../cli/framework/help.ts";
import { ExitCode, UserError } from "../engine/errors.ts";

const flags = flagTable({
  model: {
    type: "choice",
    choices: ["small", "resnet34"],
    default: "small",
    help: "which network",
  },
  epochs: { type: "integer", min: 1, max: 1000, default: 20, help: "how long" },
  lr: { type: "number", above: 0, default: 0.1, help: "the step size" },
  alpha: { type: "number", default: 0, help: "a weight" },
  imagesPerClass: {
    type: "integer",
    min: 1,
    default: 50,
    help: "images a class",
    check: (n) => n % 2 === 0 ? undefined : "must be even",
  },
  out: { type: "string", help: "the run folder" },
  layers: { type: "list", of: "string", default: ["last"], help: "the layers" },
  seeds: { type: "list", of: "integer", min: 0, help: "one run each" },
  mean: { type: "list", of: "number", repeats: true, help: "one a channel" },
  measures: {
    type: "list",
    of: "string",
    choices: ["fgsm", "noise", "none"],
    what: "measure",
    alone: "none",
    default: ["fgsm"],
    help: "what to measure",
  },
  resume: { type: "boolean", help: "go on" },
  augment: { type: "boolean", default: true, help: "crop and flip" },
});
const parse = (...args: string[]) => parseFlags(flags, args);

function complaint(...args: string[]): string {
  try {
    parse(...args);
  } catch (error) {
    assert.ok(error instanceof UserError);
    assert.equal(error.exitCode, ExitCode.usage);
    return error.message;
  }
  throw new Error(`accepted: ${args.join(" ")}`);
}

Deno.test("flags: defaults", () => {
  assert.deepEqual(parse(), {
    model: "small",
    epochs: 20,
    lr: 0.1,
    alpha: 0,
    imagesPerClass: 50,
    out: undefined,
    layers: ["last"],
    seeds: undefined,
    mean: undefined,
    measures: ["fgsm"],
    resume: false,
    augment: true,
  });
});

Deno.test("flags: both spellings, kebab case, negative numbers, lists, booleans", () => {
  const values = parse(
    ...["--model=resnet34", "--epochs", "1e2", "--lr=5e-2", "--alpha", "-1.5"],
    ...["--images-per-class", "8", "--out=a=b", "--layers", "conv1, conv2", "--seeds=1,2,3"],
    ...["--resume", "--no-augment"],
  );
  assert.deepEqual(values, {
    model: "resnet34",
    epochs: 100,
    lr: 0.05,
    alpha: -1.5,
    imagesPerClass: 8,
    out: "a=b",
    layers: ["conv1", "conv2"],
    seeds: [1, 2, 3],
    mean: undefined,
    measures: ["fgsm"],
    resume: true,
    augment: false,
  });
  assert.deepEqual(parse("--mean=0.5,0.5,0.5").mean, [0.5, 0.5, 0.5]);
  assert.equal(parse("--augment=false").augment, false);
  assert.equal(parse("--no-resume").resume, false);
});

Deno.test("flags: the types of the results follow the table", () => {
  const values = parse();
  // These lines are the test: they must type-check.
  const model: "small" | "resnet34" = values.model;
  const out: string | undefined = values.out;
  const seeds: number[] | undefined = values.seeds;
  const sum: number = values.epochs + values.lr;
  const layers: string[] = values.layers;
  assert.deepEqual([model, out, seeds, sum, layers], ["small", undefined, undefined, 20.1, [
    "last",
  ]]);
});

Deno.test("flags: every mistake is named", () => {
  const mistakes: [args: string[], message: string][] = [
    [["--epoch", "3"], "unknown flag --epoch; did you mean --epochs?"],
    [["--images", "3"], "unknown flag --images; did you mean --images-per-class?"],
    [["--imagesPerClass=3"], "unknown flag --imagesPerClass; did you mean --images-per-class?"],
    [["--zzzzzz"], "unknown flag --zzzzzz"],
    [["-e", "3"], "unknown flag -e"],
    [["--no-lr"], "unknown flag --no-lr; did you mean --lr?"],
    [["--epochs"], "--epochs needs a value: how long"],
    [["--epochs", "--lr", "1"], "--epochs needs a value: how long"],
    [["--out="], "--out needs a value: the run folder"],
    [["--epochs", "many"], '--epochs must be an integer (from 1 to 1000), not "many"'],
    [["--epochs", "1.5"], '--epochs must be an integer (from 1 to 1000), not "1.5"'],
    [["--epochs=0"], '--epochs must be an integer (from 1 to 1000), not "0"'],
    [["--epochs=1001"], '--epochs must be an integer (from 1 to 1000), not "1001"'],
    [["--epochs="], '--epochs must be an integer (from 1 to 1000), not ""'],
    [["--lr", "0"], '--lr must be a number (above 0), not "0"'],
    [["--lr", "Infinity"], '--lr must be a number (above 0), not "Infinity"'],
    [["--alpha", "0x10"], '--alpha must be a number, not "0x10"'],
    [["--alpha", "1e999"], '--alpha must be a number, not "1e999"'],
    [["--images-per-class", "7"], "--images-per-class must be even, not 7"],
    [["--model", "resnet43"], '--model has no choice "resnet43"; did you mean resnet34?'],
    [["--seeds", "1,x"], '--seeds must be an integer (at least 0), not "x"'],
    [["--layers", "a,,b"], '--layers has an empty item in "a,,b"'],
    [["--layers", "a,b, a"], "--layers names a twice"],
    [["--seeds", "1,2,1.0"], "--seeds names 1 twice"],
    [["--measures", "fgsm,fgsm"], "--measures names fgsm twice"],
    [
      ["--measures", "none,fgsm"],
      '--measures is either none or a list without it, not "none,fgsm"',
    ],
    [["--measures", "nois"], "--measures: there is no measure nois; did you mean noise?"],
    [["--lr", "1", "--lr=2"], "--lr is given more than once"],
    [["--resume", "--no-resume"], "--resume is given more than once"],
    [["--resume=maybe"], '--resume is either true or false, not "maybe"'],
    [["--no-resume=true"], "--no-resume takes no value"],
    [["--resume", "folder"], 'unexpected argument "folder"'],
    [["epochs"], 'unexpected argument "epochs"; did you mean --epochs?'],
    [["--"], 'unexpected argument "--"'],
  ];
  for (const [args, message] of mistakes) assert.equal(complaint(...args), message);
});

Deno.test("flags: a required flag that is missing is named", () => {
  const table = flagTable({ weights: { type: "string", required: true, help: "the weights" } });
  assert.throws(() => parseFlags(table, []), { message: "--weights is missing: the weights" });
  assert.deepEqual(parseFlags(table, ["--weights", "a"]), { weights: "a" });
});

Deno.test("flagName writes camelCase as kebab-case", () => {
  assert.equal(flagName("imagesPerClass"), "--images-per-class");
  assert.equal(flagName("lr"), "--lr");
});

Deno.test("help: says everything of the declaration in lines that fit", () => {
  const command = defineCommand({
    name: "treat",
    summary: "Do it",
    description: "A longer word. ".repeat(12).trim(),
    flags,
    examples: [{ args: "--epochs 3", does: "a short run" }],
    run: () => Promise.resolve(),
  });
  const text = commandHelp(command, 72);
  for (
    const part of [
      "Do it\n",
      "Usage: deno task treat [flags]",
      "--model <choice>        which network (small, resnet34; default small)",
      "--epochs <n>            how long (from 1 to 1000; default 20)",
      "--lr <x>                the step size (above 0; default 0.1)",
      "--images-per-class <n>  images a class (at least 1; default 50)",
      "--seeds <n,n,..>",
      "(default yes; --no-... turns it",
      "-h, --help",
      "deno task treat --epochs 3\n      a short run",
      "  3    no GPU adapter",
      "  130  interrupted",
    ]
  ) assert.ok(text.includes(part), `${part} is missing in:\n${text}`);
  for (const line of text.split("\n")) assert.ok(line.length <= 72, line);
});

Deno.test("flags: positional arguments stand anywhere, in their order", () => {
  const table = flagTable({
    file: { type: "string", positional: true, required: true, value: "FILE", help: "what to read" },
    count: { type: "integer", positional: true, min: 1, value: "N", help: "how often" },
    loud: { type: "boolean", help: "say it loud" },
    tol: { type: "number", help: "how far" },
  });
  const parse = (...args: string[]) => parseFlags(table, args);
  const all = { file: "a.bin", count: 3, loud: true, tol: -1 };
  assert.deepEqual(parse("a.bin", "3", "--loud", "--tol", "-1"), all);
  assert.deepEqual(parse("--tol", "-1", "a.bin", "--loud", "3"), all);
  assert.deepEqual(parse("-"), { file: "-", count: undefined, loud: false, tol: undefined });
  const usage = (message: string) => ({ message, exitCode: ExitCode.usage });
  assert.throws(() => parse(), usage("FILE is missing: what to read"));
  assert.throws(() => parse("a", "0"), usage('N must be an integer (at least 1), not "0"'));
  assert.throws(
    () => parse("a", "1", "loud"),
    usage('unexpected argument "loud"; did you mean --loud?'),
  );
  assert.throws(() => parse("--file", "a"), /unknown flag --file/);
  const run = () => Promise.resolve();
  const help = commandHelp(defineCommand({
    ...{ name: "x", summary: "x", flags: table, examples: [], run },
  }));
  assert.match(help, /^Usage: deno task x <FILE> \[<N>\] \[flags\]$/m);
  assert.match(help, /^Arguments:\n {2}<FILE> +what to read \(required\)\n {2}<N> +how often/m);
  assert.doesNotMatch(help, /--file/);
});

Deno.test("flags: a line without some of them loses their values too, and no other argument", () => {
  const table = flagTable({
    jobs: { type: "integer", min: 1, max: 9, help: "" },
    dryRun: { type: "boolean", help: "" },
  });
  const line = ["table", "--jobs", "2", "--dry-run", "a", "--models=b", "--no-dry-run", "--jobs=3"];
  assert.deepEqual(withoutFlags(line, table), ["table", "a", "--models=b"]);
});
