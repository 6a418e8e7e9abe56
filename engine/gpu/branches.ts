/**
 * Of a kernel's text, what its constants leave: an `if` whose condition is made of module constants
 * alone has one branch that runs, and a reader wants to see that one. Drivers fold such branches
 * themselves; for them nothing is gained.
 */

import { braces, type Constants, evaluate, type Line, moduleConstants } from "./expand.ts";

const IF = /^(\s*)if \((.+)\) \{\s*$/;
const RETURN = /^\s*return\b.*;\s*$/;
const ELSE = /^\s*\} else \{\s*$/;

/** Lines without the branches that never run; a branch that always does keeps its braces. */
export function takenBranches(lines: readonly Line[]): Line[] {
  const constants = moduleConstants(lines);
  const kept: Line[] = [];
  const take = (from: number, to: number) => {
    for (let at = from; at < to; at++) {
      const match = IF.exec(lines[at].text);
      const holds = match ? truth(match[2], constants, lines[at]) : undefined;
      if (holds === undefined) {
        kept.push(lines[at]);
        continue;
      }
      const middle = branchEnd(lines, at);
      const hasElse = ELSE.test(lines[middle].text);
      // `} else if (..) {` has three ways or more, and stays as it is.
      if (!hasElse && lines[middle].text.trim() !== "}") {
        kept.push(lines[at]);
        continue;
      }
      const end = hasElse ? branchEnd(lines, middle) : middle;
      const [first, last] = holds ? [at, middle] : [middle, end];
      if (last > first) {
        kept.push({ ...lines[first], text: `${match![1]}{` });
        take(first + 1, last);
        kept.push({ ...lines[last], text: `${match![1]}}` });
      }
      // Behind a branch that returns, nothing of the block around it runs.
      at = last > first && RETURN.test(kept.at(-2)!.text) ? branchEnd(lines, end) - 1 : end;
    }
  };
  take(0, lines.length);
  return kept;
}

/** The line on which the branch that opens on a line ends. */
function branchEnd(lines: readonly Line[], open: number): number {
  let depth = 1;
  for (let at = open + 1; at < lines.length; at++) {
    if (depth === 1 && /^\s*\}/.test(lines[at].text)) return at;
    depth += braces(lines[at].text);
  }
  return lines.length - 1;
}

/** What a condition of constants comes to; undefined where something else is in it. */
function truth(condition: string, constants: Constants, line: Line): boolean | undefined {
  const names = condition.match(/\b[A-Za-z_]\w*/g) ?? [];
  if (!names.every((name) => constants.has(name))) return undefined;
  for (const [operator, combine] of [["||", "some"], ["&&", "every"]] as const) {
    const parts = condition.split(operator);
    if (parts.length === 1 || parts.some((part) => !isBalanced(part))) continue;
    const all = parts.map((part) => truth(part.trim(), constants, line));
    return all.includes(undefined) ? undefined : all[combine]((value) => value);
  }
  const word = condition.replace(/^!\s*/, "");
  const value = constants.get(word)?.trim();
  if (value === "true" || value === "false") return (value === "true") === (word === condition);
  const compared = /^([^<>=!&|.]+)(==|!=|<=|>=|<|>)([^<>=!&|.]+)$/.exec(condition);
  if (compared === null) return undefined;
  const [, left, operator, right] = compared;
  const [a, b] = [left, right].map((side) => evaluate(side, constants, line));
  return COMPARE[operator](a, b);
}

const isBalanced = (text: string) => text.split("(").length === text.split(")").length;

const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};
