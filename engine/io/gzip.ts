/** Decompression with errors that say whether a file ends early or its bytes are wrong. */
import { gunzipSync } from "node:zlib";
import { ExitCode, UserError } from "../errors.ts";

/** Whether the bytes begin as a gzip file does. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * Decompresses a gzip file and checks its checksum.
 * @param name the file, for messages
 * @throws UserError (data) that names the file, truncated or corrupt
 */
export function gunzip(bytes: Uint8Array, name: string): Uint8Array<ArrayBuffer> {
  try {
    const { buffer, byteOffset, byteLength } = gunzipSync(bytes);
    return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    const problem = code === "Z_BUF_ERROR"
      ? `truncated: its ${bytes.length} bytes end in the middle of the compressed data`
      : `corrupt: ${message}`;
    throw new UserError(`${name}: ${problem}`, ExitCode.data, "Get the file again.", {
      cause: error,
    });
  }
}
