/** What runs, studies, benchmarks and the tuner leave in their folders. */
import { dirname, join } from "node:path";
import { readReport } from "../../cli/bench/compare.ts";
import { openRun } from "../../cli/open_run.ts";
import type { Context } from "../../cli/framework/command.ts";
import { withDefaults } from "../../cli/framework/flags.ts";
import { command as table } from "../../cli/table.ts";
import { maySeeValidation, trainedWith } from "../../cli/trained_with.ts";
import { treatFlags } from "../../cli/treat_flags.ts";
import { readManifest } from "../../engine/doctor/sift_folder.ts";
import { readTuning, tuningFile, type TuningKey } from "../../engine/host/tuning.ts";
import { readRun } from "../../engine/report/read.ts";
import { report } from "../../engine/report/report.ts";
import { checkpointFile } from "../../engine/run/checkpoint_file.ts";
import { RunFolder } from "../../engine/run/run_folder.ts";
import { feed, fuzzFile, fuzzJson, type Read, text } from "../support/fuzz.ts";
import { safetensors, tensors } from "../support/fuzz_samples.ts";
import { inFolder } from "../support/io.ts";
import { mutateBytes, mutateJson } from "../support/mutate.ts";
import { runBytes, runJson } from "../support/run_files.ts";
import { tinySet } from "../support/train.ts";

const jsonBytes = (value: unknown) => text(JSON.stringify(value));
const jsonTexts = (of: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(of).map(([name, value]) => [name, JSON.stringify(value)]));
const lines = (value: unknown) =>
  text((value as unknown[]).map((line) => JSON.stringify(line)).join("\n"));
const epochs = runJson["metrics.jsonl"];
const isSecond = (name: string) => ["summary.json", "diagnosis.json"].includes(name);
const isStudy = (name: string) => ["correlation.json", "noise.json", "sweep.json"].includes(name);
const options = { studies: [], commandLine: (command: string) => command };
const pageOf = async (folder: string) => report(await readRun(folder, options));

for (const [name, value] of Object.entries(runJson)) {
  const beside = Object.entries(runJson).filter(([other]) =>
    other !== name && !isStudy(other) && !isSecond(other) &&
      !(name === "diagnosis.json" && other === "result.json") && name !== "summary.json" ||
    other === "config.json"
  );
  const more = Object.fromEntries([
    ...beside.map(([name, of]) => [name, name.endsWith("l") ? lines(of) : jsonBytes(of)]),
    ...Object.entries(runBytes),
  ]);
  fuzzJson(`a report of ${name}`, value, async (_, json, folder) => {
    if (name === "summary.json" || isStudy(name)) {
      const inner = name === "summary.json" ? "seed-0" : "study";
      await Deno.mkdir(join(folder, inner), { recursive: true });
      const other = name === "summary.json" ? jsonBytes(runJson["result.json"]) : text(json);
      const file = name === "summary.json" ? "result.json" : name;
      await Deno.writeFile(join(folder, inner, file), other);
    }
    await pageOf(folder);
  }, { name, isLines: name.endsWith("l"), more });
}
for (const name of Object.keys(runBytes)) {
  const files = Object.fromEntries([
    ...Object.entries(runJson).filter(([name]) => !isSecond(name) && !isStudy(name))
      .map(([name, of]) => [name, name.endsWith("l") ? lines(of) : jsonBytes(of)]),
    ...Object.entries(runBytes),
  ]);
  fuzzFile(`a report of ${name}`, files, name, pageOf);
}
fuzzJson("a run's flags", { command: "treat", ...withDefaults(treatFlags, {}) }, async (path) => {
  const resume = dirname(path);
  const given = { ...withDefaults(treatFlags, {}), resume };
  await openRun("treat", treatFlags, given, { given: new Set(["resume"]) } as unknown as Context);
  await maySeeValidation(tinySet, { weights: join(resume, "baseline.safetensors"), seed: 0 });
}, { name: "config.json" });
const cells = { "config.json": runJson["config.json"], "result.json": runJson["result.json"] };
for (const [name, value] of Object.entries(cells)) {
  fuzzJson(`a table of ${name}`, value, async (_path, json, out) => {
    const cell = join(out, "cells", "a");
    await Deno.mkdir(cell, { recursive: true });
    const files = { ...jsonTexts(cells), [name]: json };
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(join(cell, name), text);
    }
    const args = { ...withDefaults(table.flags, {}), out, onlyWrite: true };
    await table.run(args as Parameters<typeof table.run>[0], { print() {} } as unknown as Context);
  }, { name: "a.json" });
}
fuzzJson("a run's settings", runJson["config.json"], async (_path, _text, folder) => {
  const { folder: run } = await RunFolder.resume(folder);
  await run.finished("baseline");
}, {
  name: "config.json",
  more: { "metrics.jsonl": lines(epochs), "baseline.safetensors": safetensors },
});
const settings = { lr: 1 };
Deno.test("fuzz: checkpoints", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a");
    const store = checkpointFile(path);
    const groups = { model: tensors, state: tensors, best: tensors };
    const position = { epoch: 1, step: 2, seconds: 3, history: [], bestEpoch: 1, settings };
    const history = (epochs as { epoch: number }[]).slice(0, 1);
    await store.save(
      { ...position, ...groups, history } as unknown as Parameters<typeof store.save>[0],
    );
    const bytes = await Deno.readFile(path);
    const read: Read = async (input) => {
      await Deno.writeFile(path, input);
      await store.load(settings);
    };
    await read(bytes);
    await feed(read, (dice) => mutateBytes(bytes, dice));
  }));
fuzzFile(
  "checksums",
  {
    SHA256SUMS: text(`${"0".repeat(64)}  other.safetensors\n`),
    "config.json": jsonBytes({}),
    "baseline.safetensors": safetensors,
  },
  "SHA256SUMS",
  async (folder) => await (await RunFolder.resume(folder)).folder.finished("baseline"),
);
fuzzJson(
  "an account",
  {
    ...{ normalisation: { mean: [0.5], std: [0.5] }, input: { height: 8, width: 8 } },
    resize_mode: "stretch",
  },
  (_path, _text, folder) => trainedWith(folder),
  { name: "account.json" },
);
fuzzJson(
  "sift's manifest",
  {
    ...{ version: 1, data: tinySet.name },
    images: [{
      ...{ name: "a", file: "images/a.png", class: "top", predicted: "middle", confidence: 0.5 },
      why: "wrong, and most sure",
    }],
  },
  (_path, _text, folder) => readManifest(folder, tinySet),
  { name: "manifest.json" },
);
fuzzJson("a benchmark's results", {
  results: [{
    ...{ seconds: 1, engine: "this engine", work: { kind: "step" } },
    ...{ group: "a", name: "small" },
  }],
}, (path) => readReport(path));
Deno.test("fuzz: tuned choices", () =>
  inFolder(async (folder) => {
    const before = Deno.env.get("MODEL_DOCTOR_TUNING");
    Deno.env.set("MODEL_DOCTOR_TUNING", folder);
    try {
      const of = { adapter: "a", vendor: "", architecture: "", backend: "", driver: "", deno: "2" };
      const key = of as TuningKey;
      const value = { format: 1, key, choices: { conv: { variant: "x", ms: 1, untunedMs: 2 } } };
      const path = (await tuningFile(key))!;
      const read: Read = async (bytes) => {
        await Deno.writeFile(path, bytes);
        await readTuning(key, () => {});
      };
      await read(jsonBytes(value));
      await feed(read, (dice) => jsonBytes(mutateJson(value, dice)));
    } finally {
      if (before === undefined) Deno.env.delete("MODEL_DOCTOR_TUNING");
      else Deno.env.set("MODEL_DOCTOR_TUNING", before);
    }
  }));
