/**
 * The regular files of a tar archive: 512-byte headers, each followed by the file's bytes padded
 * to a multiple of 512. Source: POSIX ustar; extended headers (long names) are passed over.
 */
import { ExitCode, UserError } from "../errors.ts";

const block = 512;

/**
 * Lists an archive's regular files; the bytes are views into the archive.
 * @param name the archive, for messages
 * @throws UserError (data) that names the archive, where it is truncated or corrupt
 */
export function readTar(archive: Uint8Array, name: string): { path: string; data: Uint8Array }[] {
  const files = [];
  for (let at = 0; at + block <= archive.length && archive[at] !== 0;) {
    const header = archive.subarray(at, at + block);
    const path = text(header, 0, 100);
    if (octal(header, 148, 8) !== checksum(header)) {
      throw new UserError(`${name}: corrupt: bad tar header at byte ${at}`, ExitCode.data);
    }
    const start = at + block;
    const end = start + octal(header, 124, 12);
    if (end > archive.length) {
      throw new UserError(`${name}: truncated: it ends in the middle of ${path}`, ExitCode.data);
    }
    const type = text(header, 156, 1);
    if (type === "" || type === "0") files.push({ path, data: archive.subarray(start, end) });
    at = start + Math.ceil((end - start) / block) * block;
  }
  return files;
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
