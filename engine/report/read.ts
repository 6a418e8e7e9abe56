/** Reads a finished run's folder for its report. */

import { join } from "node:path";
import { ACCOUNT } from "../data/account.ts";
import { accountNotesSchema } from "../data/account_schema.ts";
import type { Constraint } from "../doctor/constraint.ts";
import { DIAGNOSIS_VERSION, type DiagnosisFile } from "../doctor/diagnosis_file.ts";
import type { ExaminedLayer } from "../doctor/examine.ts";
import { readExhibits } from "../doctor/exhibits.ts";
import { FINDINGS_FILE, type FindingsFile, readFindings } from "../doctor/findings/findings.ts";
import { readResult, readSummary } from "../doctor/result.ts";
import {
  correlationSchema,
  diagnosisSchema,
  noiseSchema,
  siftSchema,
  sweepSchema,
} from "../doctor/schemas.ts";
import { CORRELATION_VERSION } from "../doctor/studies/correlation.ts";
import { NOISE_VERSION } from "../doctor/studies/noise.ts";
import { SWEEP_VERSION } from "../doctor/studies/sweep.ts";
import { ExitCode, UserError } from "../errors.ts";
import { inside } from "../io/inside.ts";
import { fileExists, readBytes, readJson, readJsonLines, readVersioned } from "../io/files.ts";
import type { Schema } from "../io/json.ts";
import { decodeNpy } from "../io/npy.ts";
import { epochSchema } from "../run/epoch_schema.ts";
import { configSchema } from "../run/config_schema.ts";
import type { Schedule } from "../train/schedule.ts";
import type { Run, Settings, Study } from "./run.ts";

export interface ReadOptions {
  /** Folders of studies beside those that lie in the run's. */
  readonly studies: readonly string[];
  /** The command line that settings stand for. */
  readonly commandLine: (command: string, settings: Settings) => string;
}

/**
 * The run in a folder, of whichever kind.
 * @throws UserError (io) that names the file which is missing, damaged, or of another version
 */
export async function readRun(folder: string, options: ReadOptions): Promise<Run> {
  const { command, ...settings } = await readConfig(folder);
  const path = join(folder, ACCOUNT);
  const account = await fileExists(path) ? await readJson(path, accountNotesSchema) : undefined;
  const asked = (more: Settings = {}) => {
    const complete = { ...settings, ...more };
    return { settings: complete, command: options.commandLine(command, complete), account };
  };
  const studies = await readStudies(folder, options.studies);
  const has = (name: string) => fileExists(join(folder, name));
  if (await has("summary.json")) {
    const summary = await readSummary(join(folder, "summary.json"));
    const parts = await Promise.all(summary.seeds.map(async (seed) => {
      const part = `seed-${seed}`;
      const place = join(folder, part);
      const result = await readResult(join(place, "result.json"));
      return { folder: part, result, findings: await findingsIn(place) };
    }));
    const [{ result: { constraint } }] = parts;
    return { kind: "seeds", ...asked(decided(constraint)), summary, parts, studies };
  }
  if (await has("result.json")) {
    const result = await readResult(join(folder, "result.json"));
    const history = await readJsonLines(join(folder, "metrics.jsonl"), epochSchema);
    const { classes, constraint } = result;
    return {
      ...{ kind: "treatment", ...asked(decided(constraint)), result, history, studies },
      ...await readExamined(folder, constraint.channel.layers, classes.length),
    };
  }
  if (await has("diagnosis.json")) {
    const path = join(folder, "diagnosis.json");
    const diagnosis = await readVersioned(
      path,
      DIAGNOSIS_VERSION,
      diagnosisSchema as Schema<DiagnosisFile>,
    );
    return {
      ...{ kind: "diagnosis", ...asked(), diagnosis, studies },
      ...await readExamined(folder, diagnosis.layers, diagnosis.classes.length),
    };
  }
  throw new UserError(
    `${folder} holds no finished run of treat or diagnose: there is neither result.json, ` +
      "summary.json nor diagnosis.json",
    ExitCode.io,
    command === "treat" ? `finish it with: deno task treat --resume ${folder}` : undefined,
  );
}

/** The settings whose defaults depend on network, data and form, as they came out. */
export const decided = ({ channel, space }: Constraint): Settings => ({
  spaceLayer: space.layers,
  ...channel.relative ? { alphaKappa: channel.weight } : { alpha: channel.weight },
  ...space.relative ? { betaKappa: space.weight } : { beta: space.weight },
  ...overEpochs(channel.schedule, (key) => key),
  ...overEpochs(space.schedule, (key) => `space${key[0].toUpperCase()}${key.slice(1)}`),
});

const overEpochs = (
  { warmup, course, until = 1 }: Schedule,
  keyOf: (key: string) => string,
): Settings => ({
  ...typeof warmup === "number"
    ? { [keyOf("warmup")]: warmup }
    : { [keyOf("warmupShare")]: warmup.share },
  ...{ [keyOf("course")]: course, [keyOf("until")]: until },
});

async function readConfig(folder: string): Promise<Settings & { command: string }> {
  const path = join(folder, "config.json");
  if (await fileExists(path)) return await readJson(path, configSchema);
  throw new UserError(`${folder} holds no run: there is no config.json`, ExitCode.io);
}

/** What the examination of a network left. */
async function readExamined(folder: string, names: readonly string[], classes: number) {
  const { high } = await readJson(join(folder, "sift.json"), siftSchema);
  if (high.length !== classes) {
    throw new UserError(`${folder}: sift.json is of other classes`, ExitCode.io);
  }
  return {
    layers: await readLayers(folder, names, classes),
    exhibits: await readExhibits(folder, classes),
    diagnosed: high.map(({ length }) => length),
    findings: await findingsIn(folder),
  };
}

/** Undefined where the run is older than they are. */
async function findingsIn(folder: string): Promise<FindingsFile | undefined> {
  const path = join(folder, FINDINGS_FILE);
  return await fileExists(path) ? await readFindings(path) : undefined;
}

/** The matrices of each layer. */
async function readLayers(
  folder: string,
  names: readonly string[],
  classes: number,
): Promise<ExaminedLayer[]> {
  return await Promise.all(names.map(async (layer) => {
    const [aggregate, mask] = await Promise.all(["aggregate", "mask"].map(async (what) => {
      const path = inside(folder, `${what}.${layer}.npy`, folder);
      const matrix = decodeNpy(await readBytes(path), path);
      if (matrix.dtype === "F32" && matrix.shape.length === 2 && matrix.shape[0] === classes) {
        return matrix;
      }
      throw new UserError(`${path} is no matrix of ${classes} classes by channels`, ExitCode.io);
    }));
    const [, channels] = aggregate.shape;
    if (mask.shape[1] !== channels) {
      throw new UserError(`${folder}: the matrices of ${layer} differ in size`, ExitCode.io);
    }
    const values = (of: typeof aggregate) => of.data as Float32Array<ArrayBuffer>;
    return { layer, classes, channels, aggregate: values(aggregate), mask: values(mask) };
  }));
}

const STUDIES = {
  correlation: [CORRELATION_VERSION, correlationSchema],
  noise: [NOISE_VERSION, noiseSchema],
  sweep: [SWEEP_VERSION, sweepSchema],
} as const;

/** The studies in the run's folder and in the folders given. */
async function readStudies(folder: string, more: readonly string[]): Promise<Study[]> {
  const own: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) own.push(join(folder, name));
  }
  const found: Study[] = [];
  for (const place of [...own.sort(), ...more]) {
    const before = found.length;
    for (const [kind, [version, schema]] of Object.entries(STUDIES)) {
      const path = join(place, `${kind}.json`);
      if (!await fileExists(path)) continue;
      found.push(
        { kind, file: await readVersioned<{ version: number }>(path, version, schema) } as Study,
      );
    }
    if (more.includes(place) && found.length === before) {
      const files = Object.keys(STUDIES).map((kind) => `${kind}.json`);
      throw new UserError(`${place} holds no study: there is no ${files.join(", ")}`, ExitCode.io);
    }
  }
  return found;
}
