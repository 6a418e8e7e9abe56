import assert from "node:assert/strict";
import { flagName, type FlagTable, flagTable, parseFlags } from "../cli/framework/flags.ts";
import { checkRules, needs } from "../cli/framework/rules.ts";
import { commands } from "../cli/main.ts";
import { ExitCode, UserError } from "../engine/errors.ts";

/** What is wrong with a command line, or undefined. */
function complaint(table: FlagTable, line: string): string | undefined {
  const args = line.split(" ").filter(Boolean);
  const named = Object.keys(table).filter((key) =>
    args.some((arg) => arg.replace(/^--no-/, "--").split("=")[0] === flagName(key))
  );
  try {
    checkRules(table, parseFlags(table, args), new Set(named));
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    assert.equal(error.exitCode, ExitCode.usage);
    return error.message;
  }
}

Deno.test("a flag that is named and has no effect is refused", () => {
  const text = { type: "string", help: "" } as const;
  const table = flagTable({
    data: { type: "list", of: "string", default: ["shapes"], help: "" },
    figures: { ...text, need: needs.oneOf("data", "composite", "mixed") },
    dir: { ...text, need: needs.otherThan("data", "shapes") },
    noise: { type: "number", default: 0, help: "" },
    copies: { type: "integer", default: 3, help: "", need: needs.nonzero("noise") },
    weights: text,
    epochs: { type: "integer", default: 5, help: "", need: needs.absent("weights") },
    steps: { type: "boolean", help: "" },
    peers: { type: "boolean", help: "" },
    batch: { type: "integer", default: 8, help: "", need: needs.anyOf("steps", "peers") },
    check: { ...text, mode: ["data", "dir"] },
    resume: text,
    seed: { type: "integer", default: 0, help: "" },
    seeds: {
      type: "integer",
      default: 1,
      help: "",
      rule: ({ seed, seeds }) => Number(seed) + Number(seeds) > 10 ? "are too many" : undefined,
    },
  });
  const refused = {
    "--figures a": "--figures has no effect without --data composite or mixed",
    "--dir a": "--dir has no effect with --data shapes",
    "--copies 3": "--copies has no effect where --noise is 0",
    "--epochs 5 --weights a": "--epochs has no effect with --weights",
    "--batch 8 --no-steps": "--batch has no effect without --steps or --peers",
    "--check a --seed 0": "--seed has no effect with --check",
    "--seed 9 --seeds 2": "--seeds are too many",
    "--seed 10": "--seeds are too many",
  };
  for (const [line, message] of Object.entries(refused)) {
    assert.equal(complaint(table, line), message, line);
  }
  const right = [
    "",
    "--figures a --dir b --data shapes,mixed",
    "--copies 3 --noise 1",
    "--epochs 5",
    "--batch 8 --peers",
    "--check a --data mixed --dir b",
    "--seed 9",
    // The values of a run that is gone on with are not on the command line.
    "--figures a --resume b",
  ];
  for (const line of right) assert.equal(complaint(table, line), undefined, line);
});

Deno.test("a seed that draws nothing is refused", async () => {
  const { flags } = (await commands.eval()).command;
  const line = "--weights a.safetensors --seed 1";
  assert.equal(complaint(flags, line), "--seed has no effect without --limit");
  assert.equal(complaint(flags, `${line} --limit 100`), undefined);
});

Deno.test("every number that a command takes has bounds on both sides", async () => {
  for (const [name, load] of Object.entries(commands)) {
    const { flags } = (await load()).command;
    for (const [key, flag] of Object.entries(flags as FlagTable)) {
      if (flag.type !== "number" && flag.type !== "integer") {
        if (flag.type !== "list" || flag.of === "string") continue;
      }
      const where = `${name} ${flagName(key)}`;
      assert.ok(flag.min !== undefined || flag.above !== undefined, `${where} has no lower bound`);
      assert.ok(flag.max !== undefined || flag.below !== undefined, `${where} has no upper bound`);
    }
  }
});

Deno.test("every rule names flags that there are, and every default keeps the rules", async () => {
  const all = await Promise.all(Object.values(commands).map((load) => load()));
  const known = new Set(all.flatMap(({ command }) => Object.keys(command.flags)));
  for (const [name, load] of Object.entries(commands)) {
    const flags: FlagTable = (await load()).command.flags;
    for (const [key, { mode = [], need = [], rule }] of Object.entries(flags)) {
      for (const other of mode) assert.ok(Object.hasOwn(flags, other), `${name}: ${key}, ${other}`);
      const asked = new Set<string>();
      const spy = new Proxy({}, { get: (_, other) => void asked.add(String(other)) });
      for (const { holds } of [need].flat()) holds(spy);
      rule?.(spy);
      for (const other of asked) {
        // A command may share a flag and lack the one that it asks for.
        assert.ok(known.has(other), `${name}: ${flagName(key)} asks ${other}`);
      }
    }
    const values = Object.fromEntries(
      Object.entries(flags).map(([key, flag]) => [key, flag.default]),
    );
    checkRules(flags, values, new Set());
  }
});
