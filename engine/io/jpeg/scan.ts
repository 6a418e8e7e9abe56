/**
 * The coefficients in a scan. A baseline scan holds whole blocks; of a progressive file's scans one
 * holds the mean values' upper bits, others a band of frequencies, others one more bit of what was
 * known before. A block is 64 coefficients, here in the order of rows.
 *
 * Source: ITU-T T.81, annexes F.2 (sequential) and G.2 (progressive).
 */
import { Bits, type HuffmanTable } from "./huffman.ts";
import { type Component, type Frame, JpegError, type ScanHeader } from "./segments.ts";

/** Where the coefficients of rising frequency are in a block. */
// deno-fmt-ignore
export const ZIGZAG = Uint8Array.of(
   0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
  58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
);

/** Where a component's blocks are, and what is done with one that is complete. */
export interface Blocks {
  /** The coefficients of the block in a column and row. */
  at(column: number, row: number): Int16Array;
  /** Told after each block of a scan. */
  done(column: number, row: number): void;
}

/** Reads a scan. @returns where its data ends. @throws JpegError where it is damaged */
export function readScan(
  bytes: Uint8Array,
  header: ScanHeader,
  frame: Frame,
  blocksOf: (component: Component) => Blocks,
): number {
  const bits = new Bits(bytes, header.start);
  const parts = header.components.map(({ component, dc, ac }) => ({
    component,
    blocks: blocksOf(component),
    coder: new Coder(bits, header, frame.progressive, dc, ac),
  }));
  const [{ component: only }] = parts;
  const alone = parts.length === 1;
  const { across, down } = alone ? only.blocks : frame.mcus;
  for (let unit = 0; unit < across * down; unit++) {
    if (header.restartInterval > 0 && unit > 0 && unit % header.restartInterval === 0) {
      if (!bits.restart()) throw new JpegError("a restart marker is missing");
      for (const { coder } of parts) coder.restart();
    }
    const [column, row] = [unit % across, Math.floor(unit / across)];
    for (const { component, blocks, coder } of parts) {
      const [h, v] = alone ? [1, 1] : [component.h, component.v];
      for (let y = row * v; y < (row + 1) * v; y++) {
        for (let x = column * h; x < (column + 1) * h; x++) {
          if (!coder.read(blocks.at(x, y))) throw new JpegError("its data is damaged");
          blocks.done(x, y);
        }
      }
    }
    if (bits.overrun) throw new JpegError("a scan ends before its image does");
  }
  return bits.position;
}

/** Reads the blocks of a component in a scan, one after the other. */
class Coder {
  private mean = 0;
  /** Blocks that follow without anything in this band. */
  private empty = 0;
  /** Reads what the scan holds of a block. @returns false where it is damaged */
  readonly read: (block: Int16Array) => boolean;

  constructor(
    private readonly bits: Bits,
    private readonly scan: ScanHeader,
    progressive: boolean,
    private readonly dc?: HuffmanTable,
    private readonly ac?: HuffmanTable,
  ) {
    if (!progressive) this.read = (block) => this.whole(block);
    else if (scan.first === 0) {
      this.read = scan.high === 0
        ? (block) => this.meanFirst(block)
        : (block) => this.meanBit(block);
    } else {this.read = scan.high === 0
        ? (block) => this.band(block)
        : (block) => this.bandBit(block);}
  }

  restart(): void {
    this.mean = this.empty = 0;
  }

  private whole(block: Int16Array): boolean {
    block.fill(0);
    if (!this.meanFirst(block)) return false;
    for (let k = 1; k < 64; k++) {
      const code = this.bits.decode(this.ac!);
      if (code < 0) return false;
      const [run, length] = [code >> 4, code & 15];
      if (length === 0 && run < 15) return true;
      k += run;
      if (k > 63) return false;
      if (length > 0) block[ZIGZAG[k]] = this.bits.signed(length);
    }
    return true;
  }

  private meanFirst(block: Int16Array): boolean {
    const length = this.bits.decode(this.dc!);
    if (length < 0 || length > 15) return false;
    this.mean += this.bits.signed(length);
    block[0] = this.mean << this.scan.low;
    return true;
  }

  private meanBit(block: Int16Array): boolean {
    block[0] |= this.bits.take(1) << this.scan.low;
    return true;
  }

  private band(block: Int16Array): boolean {
    if (this.empty > 0) {
      this.empty--;
      return true;
    }
    const { first, last, low } = this.scan;
    for (let k = first; k <= last; k++) {
      const code = this.bits.decode(this.ac!);
      if (code < 0) return false;
      const [run, length] = [code >> 4, code & 15];
      if (length === 0 && run < 15) {
        this.empty = (1 << run) - 1 + this.bits.take(run);
        return true;
      }
      k += run;
      if (k > last) return length === 0;
      if (length > 0) block[ZIGZAG[k]] = this.bits.signed(length) << low;
    }
    return true;
  }

  private bandBit(block: Int16Array): boolean {
    const { first, last, low } = this.scan;
    let k = first;
    for (; this.empty === 0 && k <= last; k++) {
      const code = this.bits.decode(this.ac!);
      if (code < 0) return false;
      const [run, length] = [code >> 4, code & 15];
      if (length > 1) return false;
      if (length === 0 && run < 15) {
        this.empty = (1 << run) + this.bits.take(run);
        break;
      }
      const value = length === 0 ? 0 : this.bits.take(1) ? 1 << low : -1 << low;
      // Past `run` coefficients that are still zero; those that aren't have their bit here.
      for (let left = run; k <= last; k++) {
        if (block[ZIGZAG[k]] !== 0) this.refine(block, k);
        else if (left-- === 0) break;
      }
      if (value === 0) continue;
      if (k > last) return false;
      block[ZIGZAG[k]] = value;
    }
    if (this.empty > 0) {
      for (; k <= last; k++) if (block[ZIGZAG[k]] !== 0) this.refine(block, k);
      this.empty--;
    }
    return true;
  }

  private refine(block: Int16Array, k: number): void {
    const [at, bit] = [ZIGZAG[k], 1 << this.scan.low];
    if (this.bits.take(1) && (block[at] & bit) === 0) block[at] += block[at] > 0 ? bit : -bit;
  }
}
