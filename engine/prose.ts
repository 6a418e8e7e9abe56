/** Prose in lines that fit. */

/** The columns in which everything that is printed fits, names and paths permitting. */
export const WIDTH = 80;

/**
 * Breaks a text at spaces into lines of at most `width` columns; a word that is longer has a line
 * of its own. What is a line already stays one.
 *
 * @param indent what the lines after the first begin with
 * @param end what every line but the last ends with, beyond the width
 */
export function wrap(text: string, width = WIDTH, indent = "", end = ""): string {
  return text.split("\n").map((line) => wrapLine(line, width, indent, end)).join("\n");
}

function wrapLine(text: string, width: number, indent: string, end: string): string {
  const lead = text.match(/^ */)![0];
  const lines: string[] = [];
  for (const word of text.trim().split(/ +/)) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${line} ${word}`;
    } else {
      lines.push((lines.length === 0 ? lead : indent) + word);
    }
  }
  return lines.join(`${end}\n`);
}

/** The columns before which stands what a line is about. */
export const LABEL = 9;

/**
 * A line that begins with what it is about, and goes on below itself where it is long.
 * @param columns before which the label stands
 */
export function labelled(label: string, text: string, columns = LABEL): string {
  const lines = wrap(text, WIDTH - columns).split("\n");
  return lines.map((line, i) => (i === 0 ? label : "").padEnd(columns) + line).join("\n");
}

/** A share as "88.60 %". */
export const percent = (share: number, digits = 2): string => `${(100 * share).toFixed(digits)} %`;
