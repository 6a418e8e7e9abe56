/**
 * A table for terminals: columns of equal width, a rule below the header, numbers to the right.
 *
 * A table that is too wide is made narrower in three ways. Columns stand closer; a last column of
 * words is wrapped; columns that still have no room stand below the others, in a table that begins
 * with the same column and leaves out the rows that say nothing there.
 */
import { printable } from "../../engine/printable.ts";
import { WIDTH, wrap } from "../../engine/prose.ts";

export interface TableOptions {
  /** What stands between two columns (default two spaces). */
  readonly gap?: string;
  /** The columns of characters that there are (default 80). */
  readonly width?: number;
}

/** The columns that there are for a table of kernels: their names are long, their figures many. */
export const WIDE = 100;

/** A column of words is not made narrower than this. */
const NARROWEST = 24;

interface Column {
  readonly cells: readonly string[];
  readonly width: number;
  readonly right: boolean;
}

/**
 * The lines of a table, joined by newlines; none has spaces at its end. A part that stands below
 * another is set apart by an empty line.
 *
 * A column is set flush right where each of its non-empty cells begins like a number ("-0.3 pp",
 * "91.2 %"). A header needs at least one row below it.
 *
 * @param header the names of the columns, or undefined for a table without
 * @param rows cells as text; a short row is filled up with empty cells
 */
export function table(
  header: readonly string[] | undefined,
  rows: readonly (readonly string[])[],
  { gap = "  ", width = WIDTH }: TableOptions = {},
): string {
  const all = header ? [header, ...rows] : rows;
  const count = Math.max(0, ...all.map((row) => row.length));
  const columns = Array.from({ length: count }, (_, j): Column => {
    const cells = all.map((row) => printable(row[j] ?? ""));
    return {
      cells,
      width: Math.max(...cells.map(lengthOf)),
      right: isNumeric(cells.slice(header ? 1 : 0)),
    };
  });
  const space = widthOf(columns, gap) > width && widthOf(columns, " ") <= width ? " " : gap;
  return parts(wrapLast(columns, space, width), space, width)
    .map((part) => linesOf(wrapLast(part, space, width), header !== undefined, space).join("\n"))
    .join("\n\n");
}

const lengthOf = (cell: string): number => [...cell].length;
const widthOf = (columns: readonly Column[], gap: string): number =>
  columns.reduce((sum, { width }) => sum + width + gap.length, -gap.length);

/** The columns with the last one as narrow as the room, should that be enough for words. */
function wrapLast(columns: readonly Column[], gap: string, width: number): readonly Column[] {
  const last = columns.at(-1);
  const room = width - (widthOf(columns, gap) - (last?.width ?? 0));
  if (!last || last.right || last.width <= room || room < NARROWEST) return columns;
  const cells = last.cells.map((cell) => wrap(cell, room));
  const widest = Math.max(...cells.flatMap((cell) => cell.split("\n").map(lengthOf)));
  return [...columns.slice(0, -1), { ...last, cells, width: widest }];
}

/** The columns in groups that fit, each begun by the first column, the later ones without rows that say nothing. */
function parts(columns: readonly Column[], gap: string, width: number): Column[][] {
  const [first, ...others] = columns;
  const groups: Column[][] = [first ? [first] : []];
  for (const column of others) {
    const group = groups.at(-1)!;
    if (group.length === 1 || widthOf([...group, column], gap) <= width) group.push(column);
    else groups.push([first, column]);
  }
  return groups.map((group, g) => (g === 0 ? group : filledRows(group)));
}

/** Without the rows in which only the first column says something. */
function filledRows([first, ...others]: readonly Column[]): Column[] {
  const filled = first.cells.map((_, i) => i === 0 || others.some(({ cells }) => cells[i] !== ""));
  return [first, ...others].map((column) => ({
    ...column,
    cells: column.cells.filter((_, i) => filled[i]),
  }));
}

function linesOf(columns: readonly Column[], hasHeader: boolean, gap: string): string[] {
  const rows = (columns[0]?.cells ?? []).flatMap((_, i) => {
    // Only the last column's cells have several lines.
    const lines = columns.map(({ cells }) => cells[i].split("\n"));
    const height = Math.max(...lines.map(({ length }) => length));
    return Array.from({ length: height }, (_, k) => lineOf(columns, lines.map((of) => of[k]), gap));
  });
  if (hasHeader) rows.splice(1, 0, columns.map(({ width }) => "-".repeat(width)).join(gap));
  return rows;
}

const lineOf = (columns: readonly Column[], cells: readonly (string | undefined)[], gap: string) =>
  columns.map(({ width, right }, j) => pad(cells[j] ?? "", width, right)).join(gap).trimEnd();

function pad(cell: string, to: number, right: boolean): string {
  const space = " ".repeat(to - lengthOf(cell));
  return right ? space + cell : cell + space;
}

function isNumeric(cells: readonly string[]): boolean {
  const filled = cells.map((cell) => cell.trim()).filter((cell) => cell !== "" && cell !== "-");
  return filled.length > 0 && filled.every((cell) => /^[+-]?\.?\d/.test(cell));
}
