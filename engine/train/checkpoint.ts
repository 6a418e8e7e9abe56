/**
 * Where a training run stands, as one safetensors file: weights, velocities, the metrics' sums,
 * the best weights so far, and the position. All of it is stored exactly, and everything random is
 * a function of seed and step, so a resumed run gives the same bits as one that was not stopped.
 */

import { ExitCode, UserError } from "../errors.ts";
import { fileExists, readBytes, writeFileAtomic } from "../io/files.ts";
import { differences, type Settings } from "../io/canonical.ts";
import { decodeSafetensors, encodeSafetensors } from "../io/safetensors.ts";
import type { HostTensor } from "../io/host_tensor.ts";
import type { StateDict } from "../nn/state.ts";
import type { EpochRecord } from "./train.ts";

export interface Position {
  /** Epochs that are finished. */
  readonly epoch: number;
  /** Steps that are finished in the epoch under way. */
  readonly step: number;
  /** Wall-clock seconds spent on the epoch under way. */
  readonly seconds: number;
  readonly history: readonly EpochRecord[];
  /** The epoch (from 1) with the highest validation accuracy, 0 before the first. */
  readonly bestEpoch: number;
  /** What the run was asked for; a checkpoint of another run is refused. */
  readonly settings: Settings;
}

export interface Checkpoint extends Position {
  readonly model: StateDict;
  readonly velocities: StateDict;
  readonly metrics: StateDict;
  readonly best: StateDict;
}

const GROUPS = ["model", "velocities", "metrics", "best"] as const;

/** Writes the file whole or not at all. @throws UserError (io) that names it */
export async function saveCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const tensors = new Map<string, HostTensor>();
  for (const group of GROUPS) {
    for (const [name, tensor] of checkpoint[group]) tensors.set(`${group}/${name}`, tensor);
  }
  const { epoch, step, seconds, history, bestEpoch, settings } = checkpoint;
  const position = JSON.stringify({ epoch, step, seconds, history, bestEpoch, settings });
  await writeFileAtomic(path, encodeSafetensors(tensors, { position }));
}

/**
 * The checkpoint at `path`, or undefined where there is none.
 * @param settings of the run that takes it up
 * @throws UserError (weights) where it is damaged, or of a run with other settings, which are named
 */
export async function loadCheckpoint(
  path: string,
  settings: Settings,
): Promise<Checkpoint | undefined> {
  if (!await fileExists(path)) return undefined;
  const { tensors, metadata } = decodeSafetensors(await readBytes(path), path);
  const position = parsePosition(metadata.position);
  if (!position?.settings) {
    throw new UserError(
      `${path} is no checkpoint, or a damaged one`,
      ExitCode.weights,
      "remove it to begin its stage anew",
    );
  }
  const different = differences(position.settings, settings);
  if (different.length > 0) {
    throw new UserError(
      `${path} belongs to a run with other settings: ${different.join("; ")}`,
      ExitCode.weights,
      "give the run a folder of its own with --out",
    );
  }
  const groups = GROUPS.map((group) => {
    const prefix = `${group}/`;
    const members = [...tensors].filter(([name]) => name.startsWith(prefix));
    return [group, new Map(members.map(([name, t]) => [name.slice(prefix.length), t]))];
  });
  return { ...position, ...Object.fromEntries(groups) };
}

function parsePosition(text = "null"): Position | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
