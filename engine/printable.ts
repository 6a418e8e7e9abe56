/**
 * Names come from files, archives and command lines, and may hold characters that a terminal or a
 * page obeys instead of showing: colours, a cleared screen, text that runs the other way. Whatever
 * prints a name passes it through here.
 */

/** ASCII's and Latin-1's control characters; separators and directions of Unicode. */
const CONTROLS =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** A text with every control character written out, "\u001b", as JSON does: it stays JSON. */
export const printable = (text: string): string => text.replace(CONTROLS, writtenOut);

/** The same for a text of several lines. */
export const printableLines = (text: string): string =>
  text.replace(CONTROLS, (character) => character === "\n" ? "\n" : writtenOut(character));

const writtenOut = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
