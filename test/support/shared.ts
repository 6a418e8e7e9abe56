/**
 * What lies in `../shared`, beside the repository, and not in a plain clone: data sets and numbers of
 * other programs. Tests of it are skipped where it is missing, and say so in their name.
 */
import { join } from "node:path";

export interface Shared {
  readonly folder: string;
  readonly missing: boolean;
  /** What to add to the name of a test of it; "" where it is there. */
  readonly note: string;
}

/** A folder of `../shared`, such as "data/mnist". */
export function shared(path: string): Shared {
  const folder = join(import.meta.dirname!, "../../../shared", path);
  let missing = false;
  try {
    Deno.statSync(folder);
  } catch {
    missing = true;
  }
  return { folder, missing, note: missing ? ` (skipped: there is no ../shared/${path})` : "" };
}
