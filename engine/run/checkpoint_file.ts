/** A checkpoint as one safetensors file, written whole or not at all. */

import { createHash } from "node:crypto";
import * as v from "valibot";
import { ExitCode, UserError } from "../errors.ts";
import { differences, type Settings } from "../io/canonical.ts";
import { fileExists, readBytes, writeFileAtomic } from "../io/files.ts";
import { bytesOf, type HostTensor } from "../io/host_tensor.ts";
import { count, finite, parseJson, type Schema } from "../io/json.ts";
import { decodeSafetensors, encodeSafetensors } from "../io/safetensors.ts";
import type { StateDict } from "../nn/state.ts";
import type { Checkpoint, CheckpointStore, Position } from "../train/checkpoint.ts";
import { epochSchema } from "./epoch_schema.ts";

/** A position that a run can be in; how many steps an epoch has the run knows. */
const positionSchema = v.pipe(
  v.object({
    epoch: count,
    step: count,
    seconds: v.pipe(finite, v.minValue(0)),
    history: v.array(epochSchema),
    bestEpoch: count,
    settings: v.record(v.string(), v.unknown()),
  }),
  v.check(
    ({ epoch, history }) => history.length === epoch && history.every((r, i) => r.epoch === i + 1),
    "its epochs are not those that it counts",
  ),
  v.check(
    ({ epoch, bestEpoch }) => bestEpoch <= epoch && (bestEpoch > 0) === (epoch > 0),
    "its best epoch is none of its epochs",
  ),
) satisfies Schema<Position>;

const GROUPS = ["model", "state", "best"] as const;

/**
 * The checkpoint in a file. Saving throws a UserError (io) that names it; loading one (weights)
 * where it is damaged, or of a run with other settings, which are named.
 */
export const checkpointFile = (path: string): CheckpointStore => ({
  name: path,
  save: (checkpoint) => saveCheckpoint(path, checkpoint),
  load: (settings) => loadCheckpoint(path, settings),
});

async function saveCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const tensors = new Map<string, HostTensor>();
  for (const group of GROUPS) {
    for (const [name, tensor] of checkpoint[group]) tensors.set(`${group}/${name}`, tensor);
  }
  const { epoch, step, seconds, history, bestEpoch, settings } = checkpoint;
  const position = JSON.stringify({ epoch, step, seconds, history, bestEpoch, settings });
  const metadata = { position, sha256: digest(position, tensors) };
  await writeFileAtomic(path, encodeSafetensors(tensors, metadata));
}

async function loadCheckpoint(
  path: string,
  settings: Settings,
): Promise<Checkpoint | undefined> {
  if (!await fileExists(path)) return undefined;
  const { tensors, metadata } = decodeSafetensors(await readBytes(path, ExitCode.weights), path);
  const hint = "remove it to begin its stage anew";
  const wrong = (problem: string) => new UserError(`${path} ${problem}`, ExitCode.weights, hint);
  const { position: text, sha256 } = metadata;
  if (text === undefined || sha256 === undefined) throw wrong("is no checkpoint, or a damaged one");
  if (sha256 !== digest(text, tensors)) throw wrong("is damaged: it differs from its checksum");
  const source = { name: path, exitCode: ExitCode.weights, hint };
  const position = parseJson(text, positionSchema, source);
  const different = differences(position.settings, settings);
  if (different.length > 0) {
    throw new UserError(
      `${path} belongs to a run with other settings: ${different.join("; ")}`,
      ExitCode.weights,
      "give the run a folder of its own with --out",
    );
  }
  return { ...position, ...grouped(tensors) };
}

function grouped(tensors: StateDict): Record<typeof GROUPS[number], StateDict> {
  const [model, state, best] = GROUPS.map((group) => {
    const prefix = `${group}/`;
    const members = [...tensors].filter(([name]) => name.startsWith(prefix));
    return new Map(members.map(([name, t]) => [name.slice(prefix.length), t]));
  });
  return { model, state, best };
}

/** Of everything that a checkpoint holds. */
function digest(position: string, tensors: StateDict): string {
  const hash = createHash("sha256").update(position);
  for (const [name, tensor] of tensors) {
    hash.update(JSON.stringify([name, tensor.dtype, tensor.shape])).update(bytesOf(tensor));
  }
  return hash.digest("hex");
}
