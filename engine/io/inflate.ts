/**
 * Decompression within bounds: the bytes are inflated piece by piece into as much room as was
 * promised, so that neither memory nor the event loop is held by what a file unfolds to.
 */
import { createGunzip, createInflate } from "node:zlib";
import { ExitCode, UserError } from "../errors.ts";
import { Turns } from "./turns.ts";

/** Bytes that are inflated at a time. */
const PIECE = 1 << 18;

/** Whether the bytes begin as a gzip file does. */
export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** Compressed data: "deflate" is zlib's format. */
export interface Compressed {
  readonly bytes: Uint8Array;
  readonly format: "gzip" | "deflate";
  /** The file, for messages. */
  readonly name: string;
}

/**
 * The first bytes of what is compressed, `length` of them or all that there are.
 * @throws UserError (data) that names the file, corrupt
 */
export async function inflateBeginning(
  compressed: Compressed,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Uint8Array(length);
  let have = 0;
  for await (const piece of inflated(compressed)) {
    const taken = piece.subarray(0, length - have);
    out.set(taken, have);
    if ((have += taken.length) === length) break;
  }
  return out.subarray(0, have);
}

/**
 * All of what is compressed, which is to be `length` bytes; checksums are checked.
 * @throws UserError (data) that names the file: truncated, corrupt, or longer
 */
export async function inflate(
  compressed: Compressed,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Uint8Array(length);
  let have = 0;
  for await (const piece of inflated(compressed)) {
    if (have + piece.length > length) {
      throw wrong(compressed, `corrupt: it unfolds to more than the ${length} bytes it states`);
    }
    out.set(piece, have);
    have += piece.length;
  }
  if (have < length) {
    throw wrong(compressed, `truncated: it unfolds to ${have} of the ${length} bytes it states`);
  }
  return out;
}

/** Piece by piece; now and then there is a turn for everything else, such as Ctrl-C. */
async function* inflated(compressed: Compressed): AsyncGenerator<Uint8Array> {
  const stream = compressed.format === "gzip"
    ? createGunzip({ chunkSize: PIECE })
    : createInflate({ chunkSize: PIECE });
  stream.end(compressed.bytes);
  const turns = new Turns();
  try {
    for await (const piece of stream) {
      yield piece as Uint8Array;
      await turns.pass();
    }
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (!code?.startsWith("Z_")) throw error;
    const problem = code === "Z_BUF_ERROR"
      ? `truncated: its ${compressed.bytes.length} bytes end in the middle of the compressed data`
      : `corrupt: ${message}`;
    throw wrong(compressed, problem, error);
  }
}

function wrong({ name }: Compressed, problem: string, cause?: unknown): UserError {
  return new UserError(`${name}: ${problem}`, ExitCode.data, "Get the file again.", { cause });
}
