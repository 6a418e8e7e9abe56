/**
 * Progressive JPEGs of a grey square that are right in everything and a labour to decode: a scan for
 * each bit of each coefficient of each component, a few bytes long, and each goes over all blocks.
 */

const AC_SCANS = 63 * 3 * 14;
export const MOST_SCANS = 1 + AC_SCANS;

/** @param scans from 1 to MOST_SCANS */
export function scannedJpeg(side: number, scans: number): Uint8Array {
  const blocks = Math.ceil(side / 8) ** 2;
  const two = (value: number) => [value >> 8, value & 255];
  const components = [1, 2, 3];
  const head = [
    ...[0xff, 0xd8],
    ...[0xff, 0xdb, ...two(67), 0, ...Array(64).fill(1)],
    ...[0xff, 0xc2, ...two(17), 8, ...two(side), ...two(side), 3],
    ...components.flatMap((c) => [c, 0x11, 0]),
    // Of differences the one that is 0; of coefficients the ends of a run of blocks that have none.
    ...[0xff, 0xc4, ...two(20), 0x00, 1, ...Array(15).fill(0), 0],
    ...[0xff, 0xc4, ...two(19 + RUNS.length), 0x10, ...Array(15).fill(0), RUNS.length],
    ...RUNS.map((bits) => bits << 4),
    ...[0xff, 0xda, ...two(12), 3, ...components.flatMap((c) => [c, 0]), 0, 0, 0],
    ...packed(Array(3 * blocks).fill([0, 1])),
  ];
  const empty = packed(emptyBlocks(blocks));
  const more = Array.from({ length: scans - 1 }, (_, i) => {
    const [low, component, k] = [13 - i % 14, Math.floor(i / 14) % 3, Math.floor(i / 42)];
    const bits = low === 13 ? low : (low + 1) << 4 | low;
    return [0xff, 0xda, ...two(8), 1, components[component], 0, k + 1, k + 1, bits, ...empty];
  });
  return Uint8Array.from([head, ...more, [0xff, 0xd9]].flat());
}

type Code = readonly [value: number, bits: number];

/** Lengths of numbers of blocks, in bits; all have codes of 16 bits, the places in this list. */
const RUNS = Array.from({ length: 15 }, (_, bits) => bits);

/** So many blocks without coefficients, in runs. */
function emptyBlocks(blocks: number): Code[] {
  const codes: Code[] = [];
  for (let left = blocks; left > 0;) {
    const bits = Math.min(14, Math.floor(Math.log2(left)));
    const run = Math.min(left, 2 ** (bits + 1) - 1);
    codes.push([bits, 16], [run - 2 ** bits, bits]);
    left -= run;
  }
  return codes;
}

/** Codes as bytes, filled up with ones; a byte of ones is followed by a zero. */
function packed(codes: readonly Code[]): number[] {
  const bits = codes.flatMap(([value, bits]) =>
    Array.from({ length: bits }, (_, i) => value >> (bits - 1 - i) & 1)
  );
  while (bits.length % 8 > 0) bits.push(1);
  return Array.from(
    { length: bits.length / 8 },
    (_, i) => bits.slice(8 * i, 8 * i + 8).reduce((byte, bit) => 2 * byte + bit, 0),
  ).flatMap((byte) => byte === 255 ? [255, 0] : [byte]);
}
