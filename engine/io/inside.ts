/**
 * Paths that come out of a file (a table, an archive, a manifest) belong to a folder, and are kept
 * inside of it: always where something is written, and where something is read unless the user
 * allows more. Whoever joins such a path to a folder does it here.
 */
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { ExitCode, UserError } from "../errors.ts";

/** Whether a path leads to a folder or into it. Links are not looked at. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(resolve(folder), resolve(path));
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/**
 * The place of a file's path in the folder that it belongs to.
 * @param path as the file states it
 * @param of where it stands, for messages: "labels.csv: line 3"
 * @throws UserError (data) where it leads out of the folder, or is no path
 */
export function inside(folder: string, path: string, of: string): string {
  const wrong = (problem: string) =>
    new UserError(`${of}: the path ${JSON.stringify(path)} ${problem}`, ExitCode.data);
  if (path === "" || path.includes("\0")) throw wrong("is none");
  // A path of Windows is absolute everywhere.
  if (isAbsolute(path) || /^(?:[a-z]:|\\)/i.test(path)) {
    throw wrong("is absolute, and belongs into a folder");
  }
  const place = join(folder, path);
  if (/(?:^|[\\/])\.\.(?:[\\/]|$)/.test(path) && !isInside(folder, place)) {
    throw wrong(`leads out of ${folder}`);
  }
  return place;
}
