/**
 * The regular files of a tar archive: 512-byte headers, each followed by the file's bytes padded to a
 * multiple of 512. An archive is gone through as a stream, or in its file, where what isn't read of it
 * is jumped over; so it may be larger than memory, and a file's members are found by their headers
 * alone. Headers are read by the package `tar`: ustar, GNU's and pax's long names.
 */
import { Buffer } from "node:buffer";
import { Header, Pax } from "tar";
import { ExitCode, UserError } from "../errors.ts";
import { fileError } from "./files.ts";

const BLOCK = 512;
/** Bytes of a header that names a member: a path, times, owners. */
const LONGEST_NAME = 1 << 20;
/** Types of members that are files: plain ones, old ones, and contiguous ones. */
const FILES = new Set(["File", "OldFile", "ContiguousFile"]);

/** A file of the archive. What isn't read of it is passed over. */
export interface TarFile {
  readonly path: string;
  /** Where its bytes begin in the archive, and how many they are. */
  readonly offset: number;
  readonly bytes: number;
  /**
   * Its bytes, piece by piece; to be read before the next file is asked for. A piece is gone when the
   * next is asked for.
   */
  chunks(): AsyncGenerator<Uint8Array>;
}

/**
 * @param stream the archive, uncompressed
 * @param name the archive, for messages
 * @throws UserError (data) that names the archive, where it is truncated or corrupt
 */
export async function* readTar(
  stream: ReadableStream<Uint8Array>,
  name: string,
): AsyncGenerator<TarFile> {
  const source = new Streamed(stream);
  try {
    yield* filesOf(source, name);
  } finally {
    await source.cancel();
  }
}

/**
 * The files of the archive that is the file `path`.
 * @param onNoEnd is called where nothing marks its end, so that it may be cut off between two files
 * @throws UserError (data) as `readTar`
 */
export async function* listTar(path: string, onNoEnd?: () => void): AsyncGenerator<TarFile> {
  try {
    using file = await Deno.open(path);
    yield* filesOf(new Filed(file, (await file.stat()).size), path, onNoEnd);
  } catch (error) {
    throw fileError("read", path, error, ExitCode.data);
  }
}

/** An archive that is read forwards. */
interface Tape {
  /** The next bytes, `most` of them or fewer, until more are asked for; undefined at the end. */
  some(most: number): Promise<Uint8Array | undefined>;
  /** Goes on behind the next `length` bytes; false where there are fewer. */
  skip(length: number): Promise<boolean>;
}

async function* filesOf(
  tape: Tape,
  name: string,
  onNoEnd: () => void = () => {},
): AsyncGenerator<TarFile> {
  let own: Pax | undefined, all: Pax | undefined, long: string | undefined;
  for (let at = 0;;) {
    const block = await exactly(tape, BLOCK);
    // An archive ends with empty blocks; one that merely stops between files may be complete too.
    if (block.length === 0) return onNoEnd();
    if (block.length < BLOCK) {
      throw new UserError(
        `${name}: truncated: it ends in the middle of a header, at byte ${at + block.length}`,
        ExitCode.data,
      );
    }
    if (block[0] === 0) return;
    const header = headerOf(block, own, all);
    if (!header?.cksumValid) {
      throw new UserError(`${name}: corrupt: bad tar header at byte ${at}`, ExitCode.data);
    }
    const { size: bytes = 0, type } = header;
    const path = long ?? header.path ?? "";
    const cutOff = () =>
      new UserError(`${name}: truncated: it ends in the middle of ${path}`, ExitCode.data);
    let left = bytes;
    const chunks = async function* () {
      while (left > 0) {
        const piece = await tape.some(left);
        if (!piece) throw cutOff();
        left -= piece.length;
        yield piece;
      }
    };
    const text = async () => {
      if (bytes > LONGEST_NAME) {
        throw new UserError(
          `${name}: corrupt: a name of ${bytes} bytes at byte ${at}`,
          ExitCode.data,
        );
      }
      const pieces = await Array.fromAsync(chunks(), (piece) => piece.slice());
      return Buffer.concat(pieces).toString("utf8");
    };
    if (type === "ExtendedHeader") own = Pax.parse(await text(), own, false);
    else if (type === "GlobalExtendedHeader") all = Pax.parse(await text(), all, true);
    else if (type === "NextFileHasLongPath") long = (await text()).replace(/\0[^]*$/, "");
    else {
      if (FILES.has(type)) yield { path, offset: at + BLOCK, bytes, chunks };
      own = long = undefined;
    }
    if (!await tape.skip(left)) throw cutOff();
    const padding = (BLOCK - bytes % BLOCK) % BLOCK;
    if (!await tape.skip(padding)) throw cutOff();
    at += BLOCK + bytes + padding;
  }
}

/** undefined for bytes that are no header. */
function headerOf(block: Uint8Array, own?: Pax, all?: Pax): Header | undefined {
  try {
    return new Header(Buffer.from(block.buffer, block.byteOffset, block.length), 0, own, all);
  } catch {
    return undefined;
  }
}

/** The next `length` bytes, or those that are left of the archive. Mostly they lie together. */
async function exactly(tape: Tape, length: number): Promise<Uint8Array> {
  const first = await tape.some(length);
  if (!first || first.length === length) return first ?? new Uint8Array();
  const out = new Uint8Array(length);
  out.set(first);
  let have = first.length;
  while (have < length) {
    const piece = await tape.some(length - have);
    if (!piece) break;
    out.set(piece, have);
    have += piece.length;
  }
  return out.subarray(0, have);
}

class Streamed implements Tape {
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  private rest: Uint8Array = new Uint8Array();

  constructor(stream: ReadableStream<Uint8Array>) {
    this.reader = stream.getReader();
  }

  async some(most: number): Promise<Uint8Array | undefined> {
    while (this.rest.length === 0) {
      const { done, value } = await this.reader.read();
      if (done) return undefined;
      this.rest = value;
    }
    const piece = this.rest.subarray(0, most);
    this.rest = this.rest.subarray(piece.length);
    return piece;
  }

  async skip(length: number): Promise<boolean> {
    for (let left = length; left > 0;) {
      const piece = await this.some(left);
      if (!piece) return false;
      left -= piece.length;
    }
    return true;
  }

  async cancel(): Promise<void> {
    await this.reader.cancel().catch(() => {});
  }
}

/** Bytes that are read at a time: small members, such as labels, follow each other closely. */
const WINDOW = 16 * BLOCK;

/** Read without waiting in turns: a header's 8 KiB are there sooner than another turn would be. */
class Filed implements Tape {
  private at = 0;
  private readonly window = new Uint8Array(WINDOW);
  private begin = 0;
  private end = 0;

  constructor(private readonly file: Deno.FsFile, private readonly size: number) {}

  some(most: number): Promise<Uint8Array | undefined> {
    if (this.at < this.begin || this.at >= this.end) {
      this.file.seekSync(this.at, Deno.SeekMode.Start);
      this.begin = this.at;
      this.end = this.at + (this.file.readSync(this.window) ?? 0);
    }
    const from = this.at - this.begin;
    const piece = this.window.subarray(from, Math.min(this.end - this.begin, from + most));
    this.at += piece.length;
    return Promise.resolve(piece.length > 0 ? piece : undefined);
  }

  skip(length: number): Promise<boolean> {
    this.at += length;
    return Promise.resolve(this.at <= this.size);
  }
}
