/** TensorBoard's event files, read back by a reader that shares nothing with the writer. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { crc32c } from "../engine/io/tfrecord.ts";
import { syncEvents } from "../engine/run/events.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import type { EpochRecord } from "../engine/train/checkpoint.ts";
import { inFolder } from "./support/io.ts";

/** CRC-32C a bit at a time, as its definition says. */
function castagnoli(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const odd = (crc ^ (byte >>> bit)) & 1;
      crc = (crc >>> 1) ^ (odd ? 0x82f63b78 : 0);
    }
  }
  return ~crc >>> 0;
}

type Field = readonly [field: number, value: number | Uint8Array];

/** The fields of a message; fixed ones as their bytes. */
function fields(bytes: Uint8Array): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = () => {
    for (let value = 0, scale = 1;; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const take = (size: number) => bytes.subarray(at, at += size);
    const read = [varint, () => take(8), () => take(varint()), undefined, undefined, () => take(4)];
    found.push([Math.floor(tag / 8), read[tag % 8]!()]);
  }
  return found;
}

interface ReadEvent {
  time: number;
  step: number;
  version?: string;
  scalars: Record<string, number>;
}

function readEvents(file: Uint8Array): ReadEvent[] {
  const events: ReadEvent[] = [];
  const text = (bytes: unknown) => new TextDecoder().decode(bytes as Uint8Array);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const checked = (from: number, to: number) => {
    const crc = castagnoli(file.subarray(from, to));
    const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
    assert.equal(view.getUint32(to, true), masked, `the CRC at ${to}`);
    return file.subarray(from, to);
  };
  for (let at = 0; at < file.length;) {
    checked(at, at + 8);
    const length = Number(view.getBigUint64(at, true));
    const event: ReadEvent = { time: NaN, step: 0, scalars: {} };
    for (const [field, value] of fields(checked(at + 12, at + 12 + length))) {
      const bytes = value as Uint8Array;
      if (field === 1) event.time = new DataView(bytes.slice().buffer).getFloat64(0, true);
      if (field === 2) event.step = value as number;
      if (field === 3) event.version = text(bytes);
      if (field !== 5) continue;
      for (const [, summary] of fields(bytes)) {
        const { 1: tag, 2: number } = Object.fromEntries(fields(summary as Uint8Array));
        const view = new DataView((number as Uint8Array).slice().buffer);
        event.scalars[text(tag)] = view.getFloat32(0, true);
      }
    }
    events.push(event);
    at += 12 + length + 4;
  }
  return events;
}

const record = (stage: string, epoch: number, loss = 1 / epoch): EpochRecord => ({
  ...{ stage, epoch, lr: 0.01, train: { loss, channel: 300 }, seconds: 1 },
  validation: { accuracy: 0.5, loss: 2, correct: 1, total: 2 },
});

const eventFile = (folder: string) => join(folder, [...Deno.readDirSync(folder)][0].name);
const eventsIn = (folder: string) => readEvents(Deno.readFileSync(eventFile(folder)));

Deno.test("CRC-32C gives the published check value", () => {
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
});

Deno.test("an event for each epoch, after the one that states the version", () =>
  inFolder(async (root) => {
    const folder = await RunFolder.create(join(root, "run"), {});
    const before = Date.now() / 1000;
    for (const epoch of [1, 2]) await folder.record(record("control", epoch));
    await folder.record(record("treated", 200, 0.25));

    const control = join(root, "run", "tensorboard", "control");
    assert.match(eventFile(control), /events\.out\.tfevents\.\d+$/);
    const [first, ...epochs] = eventsIn(control);
    assert.equal(first.version, "brain.Event:2");
    assert.deepEqual(epochs.map(({ step }) => step), [1, 2]);
    assert.ok(epochs.every(({ time }) => time >= before && time < before + 100));
    assert.deepEqual(epochs[1].scalars, {
      ...{ "train/loss": 0.5, "train/channel": 300 },
      ...{ "validation/loss": 2, "validation/accuracy": 0.5, "learning rate": Math.fround(0.01) },
    });
    const [, only] = eventsIn(join(root, "run", "tensorboard", "treated"));
    assert.deepEqual([only.step, only.scalars["train/loss"]], [200, 0.25]);
  }));

Deno.test("what an earlier process left is gone on with, without double or torn events", () =>
  inFolder(async (folder) => {
    const steps = () => eventsIn(folder).map(({ step }) => step);
    const history = [1, 2, 3].map((epoch) => record("control", epoch));
    await syncEvents(folder, []);
    assert.deepEqual([...Deno.readDirSync(folder)], [], "no file without an epoch");
    await syncEvents(folder, history.slice(0, 2));
    const [whole, inode] = [
      Deno.readFileSync(eventFile(folder)),
      Deno.statSync(eventFile(folder)).ino,
    ];

    await syncEvents(folder, history.slice(0, 2));
    assert.deepEqual(Deno.readFileSync(eventFile(folder)), whole, "nothing new, nothing written");
    await syncEvents(folder, history);
    assert.deepEqual(steps(), [0, 1, 2, 3]);
    assert.deepEqual(Deno.readFileSync(eventFile(folder)).subarray(0, whole.length), whole);
    assert.equal(Deno.statSync(eventFile(folder)).ino, inode, "appended where a reader reads");

    // Killed while appending.
    for (const cut of [1, 4, 11, 40]) {
      Deno.truncateSync(eventFile(folder), Deno.statSync(eventFile(folder)).size - cut);
      await syncEvents(folder, history);
      assert.deepEqual(steps(), [0, 1, 2, 3]);
    }
    // Another history, and damage within.
    await syncEvents(folder, [history[0], record("control", 2, 7)]);
    assert.deepEqual(eventsIn(folder).map(({ scalars }) => scalars["train/loss"]), [
      undefined,
      1,
      7,
    ]);
    const damaged = Deno.readFileSync(eventFile(folder));
    damaged[20] ^= 1;
    Deno.writeFileSync(eventFile(folder), damaged);
    await syncEvents(folder, history);
    assert.deepEqual(steps(), [0, 1, 2, 3]);
  }));
