/**
 * The scalars of a training for TensorBoard: an event file for each stage. An epoch is an event
 * with the epoch as its step; the file begins with the event that states its version.
 *
 *     tensorboard --logdir runs
 *
 * Source: TensorFlow's event.proto and summary.proto (Event: wall_time 1, step 2, file_version 3,
 * summary 5; Summary: value 1; Value: tag 1, simple_value 2).
 */

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { join } from "node:path";
import { appendFile, fileExists, makeFolder, readBytes, writeFileAtomic } from "../io/files.ts";
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

/** An event, which is written here without its time, with the time at its beginning. */
const timed = (event: Uint8Array, seconds: number) =>
  new BinaryWriter().tag(1, WireType.Bit64).double(seconds).raw(event).finish();

const TIME_BYTES = timed(new Uint8Array(), 0).length;

function isEvent(data: Uint8Array, event: Uint8Array): boolean {
  return data.length === TIME_BYTES + event.length &&
    event.every((byte, i) => byte === data[TIME_BYTES + i]);
}

const version = (): Uint8Array =>
  new BinaryWriter().tag(3, WireType.LengthDelimited).string("brain.Event:2").finish();

function epochEvent({ epoch, lr, train, validation }: EpochRecord): Uint8Array {
  const scalars: Record<string, number> = {
    ...Object.fromEntries(Object.entries(train).map(([name, value]) => [`train/${name}`, value])),
    "validation/loss": validation.loss,
    "validation/accuracy": validation.accuracy,
    ...validation.worst_class !== undefined && { "validation/worst class": validation.worst_class },
    "learning rate": lr,
  };
  const event = new BinaryWriter().tag(2, WireType.Varint).int64(epoch);
  const summary = event.tag(5, WireType.LengthDelimited).fork();
  for (const [tag, value] of Object.entries(scalars)) {
    summary.tag(1, WireType.LengthDelimited).fork()
      .tag(1, WireType.LengthDelimited).string(tag)
      .tag(2, WireType.Bit32).float(Math.fround(value))
      .join();
  }
  return summary.join().finish();
}
