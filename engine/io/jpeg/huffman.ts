/** Huffman codes of up to 16 bits, and the bits that they are read from. */

/** Codes of so many bits are found at once. */
const QUICK = 9;

export class HuffmanTable {
  /**
   * @param quick by the next QUICK bits: 256 times the length of the code that they begin with,
   *   plus its value; 0 where it is longer
   * @param most by length: the largest code, left-aligned to 16 bits; -1 where there is none
   * @param offset by length: what leads from a code to its value's place
   */
  private constructor(
    readonly quick: Uint16Array,
    readonly most: Int32Array,
    readonly offset: Int32Array,
    readonly values: Uint8Array,
  ) {}

  /**
   * @param counts the number of codes of 1 .. 16 bits
   * @returns undefined where there are no such codes
   */
  static make(counts: Uint8Array, values: Uint8Array): HuffmanTable | undefined {
    const quick = new Uint16Array(1 << QUICK);
    const [most, offset] = [new Int32Array(17).fill(-1), new Int32Array(17)];
    for (let length = 1, code = 0, at = 0; length <= 16; length++, code <<= 1) {
      offset[length] = at - code;
      for (let i = 0; i < counts[length - 1]; i++, code++, at++) {
        if (length > QUICK) continue;
        const from = code << (QUICK - length);
        quick.fill(length << 8 | values[at], from, from + (1 << (QUICK - length)));
      }
      if (code > 1 << length) return undefined;
      if (counts[length - 1] > 0) most[length] = (code << (16 - length)) - 1;
    }
    return new HuffmanTable(quick, most, offset, Uint8Array.from(values));
  }
}

/** Entropy-coded data, bit by bit. A byte 0xff is followed by 0 there, or else by a marker. */
export class Bits {
  private buffer = 0;
  private count = 0;
  /** Bits that were put behind the end. */
  private filling = 0;

  constructor(private readonly bytes: Uint8Array, private at: number) {}

  /** Whether more was read than there is. */
  get overrun(): boolean {
    return this.filling > this.count;
  }

  /** Where the marker after what was read is, or what stands before it. */
  get position(): number {
    return this.at;
  }

  /** The value of the next code; -1 where it is none. */
  decode({ quick, most, offset, values }: HuffmanTable): number {
    if (this.count < 16) this.fill();
    const next = (this.buffer >>> (this.count - 16)) & 0xffff;
    const found = quick[next >> (16 - QUICK)];
    if (found > 0) {
      this.count -= found >> 8;
      return found & 0xff;
    }
    for (let length = QUICK + 1; length <= 16; length++) {
      if (next > most[length]) continue;
      this.count -= length;
      return values[(next >> (16 - length)) + offset[length]];
    }
    return -1;
  }

  /** The next bits as a number. @param length at most 16 */
  take(length: number): number {
    if (length === 0) return 0;
    if (this.count < length) this.fill();
    this.count -= length;
    return (this.buffer >>> this.count) & ((1 << length) - 1);
  }

  /** The next bits as a coefficient: those that begin with 0 are negative. */
  signed(length: number): number {
    const value = this.take(length);
    return length === 0 || value >> (length - 1) ? value : value - (1 << length) + 1;
  }

  /** Goes on behind a restart marker. @returns whether there is one */
  restart(): boolean {
    this.count = this.filling = this.buffer = 0;
    while (this.bytes[this.at] === 0xff && this.bytes[this.at + 1] === 0xff) this.at++;
    const isThere = this.bytes[this.at] === 0xff && (this.bytes[this.at + 1] & 0xf8) === 0xd0;
    if (isThere) this.at += 2;
    return isThere;
  }

  /** Up to 32 bits; the upper ones of a full buffer are shifted out when they were taken. */
  private fill(): void {
    while (this.count <= 24) {
      let byte = 0;
      const ends = this.at >= this.bytes.length ||
        (this.bytes[this.at] === 0xff && this.bytes[this.at + 1] !== 0);
      if (ends) this.filling += 8;
      else {
        byte = this.bytes[this.at];
        this.at += byte === 0xff ? 2 : 1;
      }
      this.buffer = this.buffer << 8 | byte;
      this.count += 8;
    }
  }
}
