/**
 * The regular files of a tar archive, read as a stream, so that an archive may be larger than
 * memory: 512-byte headers, each followed by the file's bytes padded to a multiple of 512.
 * Source: POSIX ustar; extended headers (long names) are passed over.
 */
import { ExitCode, UserError } from "../errors.ts";

const block = 512;

/** A file of the archive. What isn't read of it is passed over. */
export interface TarFile {
  readonly path: string;
  /** Its bytes, piece by piece; to be read before the next file is asked for. */
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
  const source = new Pieces(stream);
  try {
    for (let at = 0;;) {
      const header = await source.exactly(block);
      // An archive ends with empty blocks; one that merely stops between files is complete too.
      if (!header || header[0] === 0) return;
      const path = text(header, 0, 100);
      if (octal(header, 148, 8) !== checksum(header)) {
        throw new UserError(`${name}: corrupt: bad tar header at byte ${at}`, ExitCode.data);
      }
      const size = octal(header, 124, 12);
      let left = size;
      const take = async function* () {
        while (left > 0) {
          const piece = await source.some(left);
          if (!piece) {
            throw new UserError(
              `${name}: truncated: it ends in the middle of ${path}`,
              ExitCode.data,
            );
          }
          left -= piece.length;
          yield piece;
        }
      };
      const type = text(header, 156, 1);
      if (type === "" || type === "0") yield { path, chunks: take };
      for await (const _ of take());
      const padding = (block - size % block) % block;
      await source.exactly(padding);
      at += block + size + padding;
    }
  } finally {
    await source.cancel();
  }
}

/** A stream cut into pieces of the lengths that are asked for. */
class Pieces {
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  private rest: Uint8Array = new Uint8Array();

  constructor(stream: ReadableStream<Uint8Array>) {
    this.reader = stream.getReader();
  }

  /** The next bytes, `most` of them or fewer; undefined at the end. */
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

  /** The next `length` bytes; undefined where the stream ends before. */
  async exactly(length: number): Promise<Uint8Array | undefined> {
    const out = new Uint8Array(length);
    for (let have = 0; have < length;) {
      const piece = await this.some(length - have);
      if (!piece) return undefined;
      out.set(piece, have);
      have += piece.length;
    }
    return out;
  }

  async cancel(): Promise<void> {
    await this.reader.cancel().catch(() => {});
  }
}

/** The sum of the header's bytes, its own field counted as spaces. */
function checksum(header: Uint8Array): number {
  return header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);
}

function text(header: Uint8Array, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function octal(header: Uint8Array, start: number, length: number): number {
  return parseInt(text(header, start, length).trim() || "0", 8);
}
