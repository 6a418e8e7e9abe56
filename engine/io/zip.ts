/**
 * Zip archives: entries one after the other, then a central directory that says where each is, then
 * a record that says where the directory is. Sizes are taken from the directory and checked before
 * anything is inflated, so that an archive can't claim more memory than a few times its own size.
 *
 * Source: PKWARE's APPNOTE.TXT 6.3.10: stored and deflated entries, with the zip64 extension.
 */
import { crc32, inflateRawSync } from "node:zlib";
import { ExitCode, UserError } from "../errors.ts";
import { WEIGHTS_EXPANSION, weightsExpansion } from "./limits.ts";

const signature = { end: 0x06054b50, end64: 0x06064b50, locator64: 0x07064b50 };
const entrySignature = { central: 0x02014b50, local: 0x04034b50 };
const endBytes = 22;
const locatorBytes = 20;
const end64Bytes = 56;
const centralBytes = 46;
const localBytes = 30;
const longestComment = 0xffff;
/** What 32-bit and 16-bit fields hold where the value is in the zip64 extension. */
const [in64, in64short] = [0xffffffff, 0xffff];
const stored = 0;
const deflated = 8;
const encryptedFlag = 1;

interface Entry {
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  /** Where its local header is. */
  readonly at: number;
}

export class ZipArchive {
  private readonly view: DataView;
  private readonly entries = new Map<string, Entry>();

  /**
   * Reads the directory.
   * @param name the archive, for messages
   * @throws UserError (weights) that names the archive, where it is truncated, damaged or a bomb
   */
  constructor(private readonly bytes: Uint8Array, private readonly name: string) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.readDirectory();
    const total = [...this.entries.values()].reduce((sum, { size }) => sum + size, 0);
    if (total > weightsExpansion(bytes.length)) {
      throw this.damaged(
        `it claims to hold ${total} bytes, more than ${WEIGHTS_EXPANSION} times its own ` +
          `${bytes.length}`,
        "PyTorch doesn't compress; if this file is right, unpack it and pack it without compression.",
      );
    }
  }

  /** The entries' paths in the directory's order. */
  get paths(): string[] {
    return [...this.entries.keys()];
  }

  /** The bytes of an entry: a view where it is stored. @throws UserError (weights) */
  read(path: string): Uint8Array {
    const entry = this.entries.get(path);
    if (!entry) throw this.damaged(`it has no ${path}`);
    const packed = this.packedBytes(path, entry);
    const bytes = entry.method === stored ? packed : this.inflate(path, packed, entry.size);
    if (bytes.length !== entry.size || crc32(bytes) !== entry.crc) {
      throw this.damaged(`${path} differs from its checksum`);
    }
    return bytes;
  }

  private readDirectory(): void {
    const { count, at: start, size } = this.findDirectory();
    this.demand(start, size, "its directory");
    let at = start;
    for (let i = 0; i < count; i++) {
      this.demand(at, centralBytes, "its directory");
      if (this.u32(at) !== entrySignature.central) throw this.damaged("its directory is damaged");
      const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((o) => this.u16(at + o));
      const extraAt = at + centralBytes + nameBytes;
      this.demand(extraAt, extraBytes + commentBytes, "its directory");
      const path = new TextDecoder().decode(this.bytes.subarray(at + centralBytes, extraAt));
      if (this.entries.has(path)) throw this.damaged(`it holds ${path} twice`);
      this.entries.set(path, this.readEntry(path, at, extraAt, extraBytes));
      at = extraAt + extraBytes + commentBytes;
    }
  }

  private readEntry(path: string, at: number, extraAt: number, extraBytes: number): Entry {
    const method = this.u16(at + 10);
    if (this.u16(at + 8) & encryptedFlag) throw this.damaged(`${path} is encrypted`);
    if (method !== stored && method !== deflated) {
      throw this.damaged(`${path} is compressed by method ${method}, which is not read`);
    }
    // The extension holds, in this order, those of the fields that don't fit 32 bits.
    const wide = this.wideFields(extraAt, extraBytes);
    const field = (offset: number) => {
      const value = this.u32(at + offset);
      if (value !== in64) return value;
      const found = wide.shift();
      if (found === undefined) throw this.damaged(`${path} lacks its zip64 sizes`);
      return found;
    };
    const [size, packed, header] = [24, 20, 42].map(field);
    if (method === stored && packed !== size) throw this.damaged(`${path} has two sizes`);
    return { method, crc: this.u32(at + 16), size, packed, at: header };
  }

  private wideFields(from: number, length: number): number[] {
    for (let at = from; at + 4 <= from + length;) {
      const [kind, bytes] = [this.u16(at), this.u16(at + 2)];
      if (kind === 1) {
        const count = Math.floor(Math.min(bytes, from + length - at - 4) / 8);
        return Array.from({ length: count }, (_, i) => this.u64(at + 4 + 8 * i));
      }
      at += 4 + bytes;
    }
    return [];
  }

  private findDirectory(): { count: number; at: number; size: number } {
    const end = this.findEnd();
    const [count, size, at] = [this.u16(end + 10), this.u32(end + 12), this.u32(end + 16)];
    const locator = end - locatorBytes;
    const needs64 = count === in64short || size === in64 || at === in64;
    if (!needs64 || locator < 0 || this.u32(locator) !== signature.locator64) {
      return { count, at, size };
    }
    const end64 = this.u64(locator + 8);
    this.demand(end64, end64Bytes, "its directory");
    if (this.u32(end64) !== signature.end64) throw this.damaged("its zip64 directory is damaged");
    return { count: this.u64(end64 + 32), size: this.u64(end64 + 40), at: this.u64(end64 + 48) };
  }

  /** The record at the end; its comment has to reach exactly to the end of the file. */
  private findEnd(): number {
    const last = this.bytes.length - endBytes;
    for (let at = last; at >= Math.max(0, last - longestComment); at--) {
      if (this.u32(at) === signature.end && this.u16(at + 20) === last - at) return at;
    }
    throw this.damaged("it is truncated: the directory at its end is missing");
  }

  private packedBytes(path: string, { at, packed }: Entry): Uint8Array {
    this.demand(at, localBytes, path);
    if (this.u32(at) !== entrySignature.local) {
      throw this.damaged(`${path} is not where it should be`);
    }
    const start = at + localBytes + this.u16(at + 26) + this.u16(at + 28);
    this.demand(start, packed, path);
    return this.bytes.subarray(start, start + packed);
  }

  private inflate(path: string, packed: Uint8Array, size: number): Uint8Array {
    try {
      const { buffer, byteOffset, byteLength } = inflateRawSync(packed, {
        maxOutputLength: Math.max(size, 1),
      });
      return new Uint8Array(buffer, byteOffset, byteLength);
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      throw this.damaged(
        code === "ERR_BUFFER_TOO_LARGE"
          ? `${path} inflates to more than the ${size} bytes it claims`
          : `${path} can't be inflated: ${message}`,
      );
    }
  }

  private demand(at: number, bytes: number, what: string): void {
    if (at + bytes > this.bytes.length) {
      throw this.damaged(
        `it is truncated: ${what} ends at byte ${at + bytes} of ${this.bytes.length}`,
      );
    }
  }

  private u16 = (at: number): number => this.view.getUint16(at, true);
  private u32 = (at: number): number => this.view.getUint32(at, true);
  private u64 = (at: number): number => Number(this.view.getBigUint64(at, true));

  private damaged(problem: string, hint = "Get the file again."): UserError {
    return new UserError(`${this.name}: not read: ${problem}`, ExitCode.weights, hint);
  }
}
