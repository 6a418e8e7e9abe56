/**
 * Text in files: UTF-8, or what the mark at its beginning says (Excel's Unicode text is UTF-16).
 * Any other encoding is refused and not read as question marks, under which two names may be one.
 */
import { type ExitCode, UserError } from "../errors.ts";

/** @throws UserError that names file and line where it is another encoding, or damaged */
export function decodeText(bytes: Uint8Array, name: string, exitCode: ExitCode): string {
  const [a, b] = bytes;
  const encoding = a === 0xff && b === 0xfe
    ? "utf-16le"
    : a === 0xfe && b === 0xff
    ? "utf-16be"
    : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(
      `${name}: it is not text in ${encoding.toUpperCase()}${badLine(bytes, encoding)}`,
      exitCode,
      "Save it as UTF-8 (in Excel: CSV UTF-8).",
    );
  }
}

/** Where the text stops being UTF-8: no line's end is within a character of it. */
function badLine(bytes: Uint8Array, encoding: string): string {
  if (encoding !== "utf-8") return "";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let line = 1, from = 0; from <= bytes.length; line++) {
    const end = bytes.indexOf(10, from);
    const to = end < 0 ? bytes.length : end;
    try {
      decoder.decode(bytes.subarray(from, to));
    } catch {
      return `, in line ${line}`;
    }
    from = to + 1;
  }
  return "";
}
