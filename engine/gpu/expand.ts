/**
 * Unrolling for WGSL. naga bounds every loop and clamps every dynamic index of a local array, and
 * nothing in JavaScript turns that off; straight-line code on named registers runs more than twice
 * as fast. The shader files stay legal, readable WGSL; two comment markers say what to expand:
 *
 *     // @registers                              ->  var sum_0 = vec4<f32>();
 *     var sum: array<vec4<f32>, 2>;                  var sum_1 = vec4<f32>();
 *     // @unroll
 *     for (var i = 0u; i < 2u; i++) {            ->  { sum_0 += a[0u]; }
 *       sum[i] += a[i];                              { sum_1 += a[1u]; }
 *     }
 *
 * Bounds, lengths and the indices of register arrays are constant expressions: integers with
 * + - * / % and parentheses over literals, module constants and unrolled counters.
 */
import { ExitCode, UserError } from "../errors.ts";

/** One line of code without comments. */
export interface Line {
  readonly text: string;
  /** Where it stands, for messages: "shader line 7". */
  readonly place: string;
}

export type Constants = ReadonlyMap<string, string>;

const UNROLL = /^\s*\/\/ @unroll\s*$/;
const REGISTERS = /^\s*\/\/ @registers\s*$/;
const FOR =
  /^\s*for \(var (\w+)(?:: \w+)? = ([^;]+); \1 < ([^;]+); (?:\1\+\+|\1 \+= 1[ui]?|\1 = \1 \+ 1[ui]?)\) \{\s*$/;
const ARRAY = /^(\s*)var (\w+): array<(.+),([^,]+)>;\s*$/;

/**
 * Returns the shader with its marked loops unrolled and its marked arrays made named variables.
 * Comments are dropped.
 *
 * @throws UserError naming the line, where a marker stands before something it can't expand or an
 * index of a register array is not constant.
 */
export function expand(source: string): string {
  return expandLines(source).map((line) => line.text).join("\n") + "\n";
}

/**
 * The same, each line with the place that it comes from.
 * @param places of the source's lines, where that is not the text that somebody wrote
 */
export function expandLines(source: string, places?: readonly string[]): Line[] {
  const lines = stripComments(source, places);
  const constants = moduleConstants(lines);
  const unrolled = unrollLoops(lines, constants);
  return nameRegisters(unrolled, constants);
}

/** The source's lines without comments (the markers stay) and without lines left empty. */
function stripComments(source: string, places?: readonly string[]): Line[] {
  return source
    .replace(/\/\*[^]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "))
    .split("\n")
    .map((text, i) => ({
      text: UNROLL.test(text) || REGISTERS.test(text) ? text : text.replace(/\s*\/\/.*$/, ""),
      place: places?.[i] ?? `shader line ${i + 1}`,
    }))
    .filter((line) => line.text.trim() !== "");
}

/** The initialisers of all module constants; only those that are used get evaluated. */
export function moduleConstants(lines: readonly Line[]): Constants {
  const constants = new Map<string, string>();
  for (const { text } of lines) {
    const match = /^const (\w+)(?:: \w+)? = ([^;]+);/.exec(text);
    if (match) constants.set(match[1], match[2]);
  }
  return constants;
}

/** Replaces each marked loop by one block per iteration, the outermost loop first. */
function unrollLoops(lines: readonly Line[], constants: Constants): Line[] {
  const result: Line[] = [];
  for (let at = 0; at < lines.length; at++) {
    if (!UNROLL.test(lines[at].text)) {
      result.push(lines[at]);
      continue;
    }
    const head = lines[at + 1] ?? lines[at];
    const match = FOR.exec(head.text);
    if (!match) {
      fail(head, "@unroll needs `for (var i = 0u; i < LIMIT; i++) {` on the next line");
    }
    const [, counter, first, limit] = match;
    const end = closingBrace(lines, at + 1);
    const body = lines.slice(at + 2, end);
    checkBody(body, counter);
    const suffix = /[ui]\s*$/.exec(first)?.[0].trim() ?? "";
    const name = new RegExp(`\\b${counter}\\b`, "g");
    const stop = evaluate(limit, constants, head);
    for (let i = evaluate(first, constants, head); i < stop; i++) {
      const copy = body.map((line) => ({
        ...line,
        text: line.text.replace(name, `${i}${suffix}`),
      }));
      result.push({ text: "{", place: head.place });
      result.push(...unrollLoops(copy, constants));
      result.push({ text: "}", place: lines[end].place });
    }
    at = end;
  }
  return result;
}

/** An unrolled body may not leave its loop, write its counter or hide it. */
function checkBody(body: readonly Line[], counter: string): void {
  const writes = new RegExp(`\\b${counter}\\b\\s*(\\+\\+|--|[-+*/%&|^]?=(?!=)|<<=|>>=)`);
  const hides = new RegExp(`\\b(var|let|const) ${counter}\\b`);
  const loops: boolean[] = [];
  for (const line of body) {
    if (hides.test(line.text)) fail(line, `this hides the unrolled counter ${counter}`);
    if (writes.test(line.text)) fail(line, `this writes the unrolled counter ${counter}`);
    for (const [token] of line.text.matchAll(/[{}]|\b(?:break|continue)\b/g)) {
      if (token === "{") loops.push(/\b(for|while|loop|switch)\b/.test(line.text));
      else if (token === "}") loops.pop();
      else if (!loops.includes(true)) fail(line, `${token} can't leave an unrolled loop`);
    }
  }
}

/** Replaces each marked array by variables, up to the end of the block that declares it. */
function nameRegisters(lines: readonly Line[], constants: Constants): Line[] {
  const result: Line[] = [...lines];
  for (let at = 0; at < result.length; at++) {
    if (!REGISTERS.test(result[at].text)) continue;
    const head = result[at + 1] ?? result[at];
    const match = ARRAY.exec(head.text);
    if (!match) fail(head, "@registers needs `var name: array<T, N>;` on the next line");
    const [, indent, name, type, length] = match;
    const count = evaluate(length, constants, head);
    const end = enclosingBrace(result, at);
    for (let i = at + 2; i < end; i++) {
      result[i] = { ...result[i], text: nameIndices(result[i], name, count, constants) };
    }
    const registers = Array.from({ length: count }, (_, i) => ({
      // naga 29 does not zero a variable again when a loop comes back to its declaration.
      text: `${indent}var ${name}_${i} = ${type.trim()}();`,
      place: head.place,
    }));
    result.splice(at, 2, ...registers);
  }
  return result;
}

/** The line with `name[index]` replaced by `name_3`. */
function nameIndices(line: Line, name: string, count: number, constants: Constants): string {
  if (new RegExp(`\\b${name}_\\d+\\b`).test(line.text)) {
    fail(line, `${name}_0, ${name}_1, ... are the registers of ${name}`);
  }
  let text = "";
  let from = 0;
  for (const match of line.text.matchAll(new RegExp(`\\b${name}\\b`, "g"))) {
    const open = match.index + name.length;
    if (line.text[open] !== "[") fail(line, `the register array ${name} can only be indexed`);
    const close = closingBracket(line, open);
    const expression = line.text.slice(open + 1, close);
    const index = evaluate(expression, constants, line);
    if (index < 0 || index >= count) {
      fail(line, `index ${index} is outside the register array ${name} of length ${count}`);
    }
    text += line.text.slice(from, match.index) + `${name}_${index}`;
    from = close + 1;
  }
  return text + line.text.slice(from);
}

function closingBracket(line: Line, open: number): number {
  let depth = 0;
  for (let i = open; i < line.text.length; i++) {
    if (line.text[i] === "[") depth++;
    if (line.text[i] === "]" && --depth === 0) return i;
  }
  return fail(line, "the index of a register array must end on its line");
}

/** The line on which the block that opens on line `at` ends. */
function closingBrace(lines: readonly Line[], at: number): number {
  let depth = 0;
  for (let i = at; i < lines.length; i++) {
    depth += braces(lines[i].text);
    if (depth === 0) return i;
  }
  return fail(lines[at], "this block has no end");
}

/** The line on which the block around line `at` ends. */
function enclosingBrace(lines: readonly Line[], at: number): number {
  let depth = 1;
  for (let i = at; i < lines.length; i++) {
    depth += braces(lines[i].text);
    if (depth <= 0) return i;
  }
  return fail(lines[at], "@registers belongs inside a function");
}

export function braces(text: string): number {
  return text.split("{").length - text.split("}").length;
}

/** The value of a constant integer expression: the usual precedence, recursive descent. */
export function evaluate(expression: string, constants: Constants, line: Line): number {
  const tokens = expression.match(/\d+|\w+|\S/g) ?? [];
  let at = 0;
  const value = sum();
  if (at < tokens.length) notConstant();
  return value;

  function sum(): number {
    let left = product();
    while (tokens[at] === "+" || tokens[at] === "-") {
      left = tokens[at++] === "+" ? left + product() : left - product();
    }
    return left;
  }

  function product(): number {
    let left = atom();
    while (tokens[at] === "*" || tokens[at] === "/" || tokens[at] === "%") {
      const operator = tokens[at++];
      const right = atom();
      if (operator !== "*" && right === 0) fail(line, `\`${expression.trim()}\` divides by zero`);
      if (operator === "*") left *= right;
      else left = operator === "/" ? Math.trunc(left / right) : left % right;
    }
    return left;
  }

  function atom(): number {
    const token = tokens[at++] ?? "";
    if (token === "-") return -atom();
    if (token === "(") {
      const inner = sum();
      if (tokens[at++] !== ")") notConstant();
      return inner;
    }
    if (/^\d+$/.test(token)) {
      if (tokens[at] === "u" || tokens[at] === "i") at++;
      return Number(token);
    }
    const initialiser = constants.get(token);
    if (initialiser === undefined) return notConstant();
    return evaluate(initialiser, constants, line);
  }

  function notConstant(): never {
    return fail(line, `\`${expression.trim()}\` is not a constant integer expression`);
  }
}

function fail(line: Line, message: string): never {
  throw new UserError(
    `${line.place}: ${message}: ${line.text.trim()}`,
    ExitCode.failure,
    "see the header of engine/gpu/expand.ts for what can be expanded",
  );
}
