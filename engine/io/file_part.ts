/** A file, or a part of one, such as a member of an archive, that is read as if it were a file. */
import { type ExitCode, UserError } from "../errors.ts";
import { fileError, readBytes } from "./files.ts";

export interface FilePart {
  /** By which it is named: a file's path; of a member its archive's, with its own name behind. */
  readonly path: string;
  /** Where it lies, unless it is a file of its own. */
  readonly within?: {
    readonly archive: string;
    readonly offset: number;
    readonly bytes: number;
  };
}

/**
 * The bytes of a file or of a part.
 * @param most bytes that it may have
 * @throws UserError that names it, with the exit code given
 */
export async function readPart(
  { path, within }: FilePart,
  exitCode: ExitCode,
  most: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!within) return await readBytes(path, exitCode, most);
  const { archive, offset, bytes } = within;
  if (bytes > most) {
    throw new UserError(
      `cannot read ${path}: it has ${bytes} bytes, more than the ${most} allowed`,
      exitCode,
    );
  }
  try {
    using file = await Deno.open(archive);
    return await readAt(file, offset, bytes);
  } catch (error) {
    throw fileError("read", path, error, exitCode);
  }
}

/** The bytes there, or those up to the file's end. */
async function readAt(
  file: Deno.FsFile,
  offset: number,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  await file.seek(offset, Deno.SeekMode.Start);
  const out = new Uint8Array(bytes);
  let done = 0;
  while (done < bytes) {
    const read = await file.read(out.subarray(done));
    if (read === null) break;
    done += read;
  }
  return out.subarray(0, done);
}
