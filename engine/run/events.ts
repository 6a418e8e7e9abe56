/**
 * The scalars of a training for TensorBoard: an event file for each stage. An epoch is an event
 * with the epoch as its step; the file begins with the event that states its version.
 *
 *     tensorboard --logdir runs
 *
 * Source: TensorFlow's event.proto and summary.proto (Event: wall_time 1, step 2, file_version 3,
 * summary 5; Summary: value 1; Value: tag 1, simple_value 2).
 */

import { join } from "node:path";
import { appendFile, fileExists, makeFolder, readBytes, writeFileAtomic } from "../io/files.ts";
import { type Bytes, bytes, double, float, message, varint } from "../io/protobuf.ts";
import { decodeRecords, encodeRecord } from "../io/tfrecord.ts";
import type { EpochRecord } from "../train/checkpoint.ts";

/** TensorBoard knows event files by the middle of their name. */
const FILE = "events.out.tfevents.0";

/**
 * Brings the event file in a folder up to the records: what is missing is appended, since
 * TensorBoard may be reading; what a killed process left half written, or what is of another
 * history, is taken off first. Called again, it changes nothing.
 */
export async function syncEvents(folder: string, records: readonly EpochRecord[]): Promise<void> {
  if (records.length === 0) return;
  await makeFolder(folder);
  const path = join(folder, FILE);
  const now = Date.now() / 1000;
  const wanted = [version(), ...records.map(epochEvent)];
  const file = await fileExists(path) ? await readBytes(path) : new Uint8Array();
  const there = decodeRecords(file);
  const different = wanted.findIndex((event, i) => !there[i] || !isEvent(there[i].data, event));
  const kept = different < 0 ? wanted.length : different;
  const end = kept > 0 ? there[kept - 1].end : 0;
  const missing = wanted.slice(kept).map((event) => encodeRecord(timed(event, now)));
  if (end < file.length) await writeFileAtomic(path, file.subarray(0, end));
  if (missing.length > 0) await appendFile(path, Uint8Array.from(missing.flatMap((r) => [...r])));
}

/** An event without its time, with which each begins. */
const timed = (event: Bytes, seconds: number) =>
  Uint8Array.from(message(double(1, seconds), event));

const TIME_BYTES = double(1, 0).length;

function isEvent(data: Uint8Array, event: Bytes): boolean {
  return data.length === TIME_BYTES + event.length &&
    event.every((byte, i) => byte === data[TIME_BYTES + i]);
}

const version = (): Bytes => bytes(3, "brain.Event:2");

function epochEvent({ epoch, lr, train, validation }: EpochRecord): Bytes {
  const scalars: Record<string, number> = {
    ...Object.fromEntries(Object.entries(train).map(([name, value]) => [`train/${name}`, value])),
    "validation/loss": validation.loss,
    "validation/accuracy": validation.accuracy,
    ...validation.worst_class !== undefined && { "validation/worst class": validation.worst_class },
    "learning rate": lr,
  };
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytes(1, message(bytes(1, tag), float(2, value)))
  );
  return message(varint(2, epoch), bytes(5, message(...values)));
}
