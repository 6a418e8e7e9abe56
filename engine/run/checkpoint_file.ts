/** A checkpoint as one safetensors file, written whole or not at all. */

import { ExitCode, UserError } from "../errors.ts";
import { differences, type Settings } from "../io/canonical.ts";
import { fileExists, readBytes, writeFileAtomic } from "../io/files.ts";
import type { HostTensor } from "../io/host_tensor.ts";
import { decodeSafetensors, encodeSafetensors } from "../io/safetensors.ts";
import type { Checkpoint, CheckpointStore, Position } from "../train/checkpoint.ts";

const GROUPS = ["model", "velocities", "metrics", "best"] as const;

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
  await writeFileAtomic(path, encodeSafetensors(tensors, { position }));
}

async function loadCheckpoint(
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
