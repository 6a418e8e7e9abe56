/** A table for terminals: columns of equal width, a rule below the header, numbers to the right. */
import { stripVTControlCharacters } from "node:util";

export interface TableOptions {
  /** What stands between two columns (default two spaces). */
  readonly gap?: string;
}

/**
 * The lines of a table, joined by newlines; none has spaces at its end.
 *
 * A column is set flush right where each of its non-empty cells begins like a number ("-0.3 pp",
 * "91.2 %"); colours (ANSI sequences) take no width. A header needs at least one row below it.
 *
 * @param header the names of the columns, or undefined for a table without
 * @param rows cells as text; a short row is filled up with empty cells
 */
export function table(
  header: readonly string[] | undefined,
  rows: readonly (readonly string[])[],
  { gap = "  " }: TableOptions = {},
): string {
  const all = header ? [header, ...rows] : rows;
  const count = Math.max(0, ...all.map((row) => row.length));
  const columns = Array.from({ length: count }, (_, j) => ({
    width: Math.max(...all.map((row) => width(row[j] ?? ""))),
    right: isNumeric(rows.map((row) => row[j] ?? "")),
  }));
  const line = (row: readonly string[]): string =>
    columns.map((column, j) => pad(row[j] ?? "", column.width, column.right)).join(gap).trimEnd();
  const lines = rows.map(line);
  if (header) lines.unshift(line(header), columns.map(({ width }) => "-".repeat(width)).join(gap));
  return lines.join("\n");
}

const width = (cell: string): number => [...stripVTControlCharacters(cell)].length;

function pad(cell: string, to: number, right: boolean): string {
  const space = " ".repeat(to - width(cell));
  return right ? space + cell : cell + space;
}

function isNumeric(cells: readonly string[]): boolean {
  const filled = cells.map((cell) => stripVTControlCharacters(cell).trim())
    .filter((cell) => cell !== "" && cell !== "-");
  return filled.length > 0 && filled.every((cell) => /^[+-]?\.?\d/.test(cell));
}
