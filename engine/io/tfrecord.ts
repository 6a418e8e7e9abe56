/**
 * TensorFlow's record files: one record after the other,
 *
 *     length (u64) | masked CRC of the length (u32) | data | masked CRC of the data (u32)
 *
 * all little-endian. The CRC is CRC-32C (Castagnoli); it is masked, because a CRC over data that
 * holds CRCs is weak: rotated right by 15 bits, plus a constant.
 *
 * Source: tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details".
 */

const HEADER = 12;
const FOOTER = 4;
const MASK_DELTA = 0xa282ead8;
/** The Castagnoli polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}

/** A record around its data. */
export function encodeRecord(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(HEADER + data.length + FOOTER);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, HEADER);
  view.setUint32(HEADER + data.length, maskedCrc(data), true);
  return record;
}

/** The data of the whole records at the file's beginning, up to the first that is none. */
export function decodeRecords(file: Uint8Array): { data: Uint8Array; end: number }[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const records: { data: Uint8Array; end: number }[] = [];
  for (let at = 0; at + HEADER + FOOTER <= file.length;) {
    const length = Number(view.getBigUint64(at, true));
    const [from, to] = [at + HEADER, at + HEADER + length];
    if (maskedCrc(file.subarray(at, at + 8)) !== view.getUint32(at + 8, true)) break;
    if (to + FOOTER > file.length) break;
    const data = file.subarray(from, to);
    if (maskedCrc(data) !== view.getUint32(to, true)) break;
    at = to + FOOTER;
    records.push({ data, end: at });
  }
  return records;
}
