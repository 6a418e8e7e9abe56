/**
 * Expressions as people type them, made graphs: a name is an input, a call or an operator is an
 * operation of the engine.
 *
 *     sum(relu(conv2d(x, w, {padding: 1})) * 0.5)
 *
 * acorn reads them as JavaScript; nothing is run as such, and only what stands here or in
 * functions.ts has a meaning.
 */

import * as acorn from "acorn";
import { ExitCode, UserError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import * as t from "../tensor/mod.ts";
import { type Callable, FUNCTIONS, type Kind } from "./functions.ts";

/** An expression that has been read; its inputs have no shapes yet. */
export interface Expression {
  readonly text: string;
  /** The names of its inputs, in order. */
  readonly names: readonly string[];
  /**
   * Its graph.
   * @throws UserError (usage) where an operation can't take what it is given
   */
  build(inputs: ReadonlyMap<string, t.Tensor>): t.Tensor;
}

/** What a part of an expression stands for. */
type Value = t.Tensor | number | boolean | readonly Value[] | ReadonlyMap<string, Value>;

/** @throws UserError (usage) that says where it is no expression */
export function parseExpression(text: string): Expression {
  const tree = read(text);
  const names: string[] = [];
  collect(tree, names);
  const build = (inputs: ReadonlyMap<string, t.Tensor>) => {
    const value = evaluate(tree, text, inputs);
    if (value instanceof t.Tensor) return value;
    throw wrong(text, "is a number and no tensor: it has no inputs");
  };
  return { text, names, build };
}

function read(text: string): acorn.Expression {
  let tree: acorn.Expression;
  try {
    tree = acorn.parseExpressionAt(text, 0, { ecmaVersion: 2022 });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw wrong(text, `is no expression: ${error.message}`);
  }
  const rest = text.slice(tree.end).trim();
  if (rest) throw wrong(text, `goes on after its end: ${rest}`);
  return tree;
}

/** The names in an expression that are no functions. */
function collect(node: acorn.AnyNode, names: string[]): void {
  if (node.type === "Identifier" && !names.includes(node.name)) names.push(node.name);
  if (node.type === "BinaryExpression") [node.left, node.right].forEach((n) => collect(n, names));
  if (node.type === "UnaryExpression") collect(node.argument, names);
  if (node.type === "CallExpression") node.arguments.forEach((n) => collect(n, names));
  if (node.type === "ArrayExpression") node.elements.forEach((n) => n && collect(n, names));
}

function evaluate(
  node: acorn.AnyNode,
  text: string,
  inputs: ReadonlyMap<string, t.Tensor>,
): Value {
  const part = text.slice(node.start, node.end);
  const value = (inner: acorn.AnyNode) => evaluate(inner, text, inputs);
  switch (node.type) {
    case "Literal":
      if (typeof node.value === "number" || typeof node.value === "boolean") return node.value;
      break;
    case "Identifier":
      return inputs.get(node.name)!;
    case "UnaryExpression":
      if (node.operator === "-") return negated(part, value(node.argument));
      break;
    case "BinaryExpression":
      return combined(part, node.operator, value(node.left), value(node.right));
    case "ArrayExpression":
      return node.elements.map((element) => value(element!));
    case "ObjectExpression":
      return new Map(node.properties.map((property) => {
        const named = property.type === "Property" && property.key.type === "Identifier";
        if (!named) throw wrong(part, "has something else than names with values");
        return [(property.key as acorn.Identifier).name, value(property.value)];
      }));
    case "CallExpression":
      if (node.callee.type !== "Identifier") break;
      return called(part, node.callee.name, node.arguments.map(value));
  }
  throw wrong(part, "has no meaning here");
}

function negated(part: string, value: Value): Value {
  if (typeof value === "number") return -value;
  if (value instanceof t.Tensor) return t.neg(value);
  throw wrong(part, "takes a tensor or a number");
}

function combined(part: string, operator: string, left: Value, right: Value): Value {
  if (!isOperand(left) || !isOperand(right)) throw wrong(part, "takes tensors and numbers");
  if (operator === "**") return power(part, left, right);
  const operation = OPERATORS[operator];
  if (!operation) throw wrong(part, `${operator} has no meaning here`);
  const [onTensors, onNumbers] = operation;
  if (typeof left === "number" && typeof right === "number") return onNumbers(left, right);
  return onTensors(left, right);
}

type Operand = t.Tensor | number;

const OPERATORS: Readonly<
  Record<string, [(a: Operand, b: Operand) => t.Tensor, (a: number, b: number) => number]>
> = {
  "+": [t.add, (a, b) => a + b],
  "-": [t.sub, (a, b) => a - b],
  "*": [t.mul, (a, b) => a * b],
  "/": [t.div, (a, b) => a / b],
};

/** Whole powers are products, as the engine has no other. */
function power(part: string, base: Operand, exponent: Operand): Value {
  if (typeof base === "number" && typeof exponent === "number") return base ** exponent;
  if (typeof base === "number" || !(Number.isInteger(exponent) && Number(exponent) >= 1)) {
    throw wrong(part, "is a power of another kind than x ** 2, x ** 3, ..");
  }
  let product = base;
  for (let k = 1; k < Number(exponent); k++) {
    product = k === 1 ? t.square(base) : t.mul(product, base);
  }
  return product;
}

function called(part: string, name: string, values: readonly Value[]): t.Tensor {
  if (!Object.hasOwn(FUNCTIONS, name)) {
    throw new UserError(
      `there is no function ${name}${didYouMean(name, Object.keys(FUNCTIONS))}`,
      ExitCode.usage,
      `the functions are ${Object.keys(FUNCTIONS).join(", ")}`,
    );
  }
  const { takes, least = takes.length, call }: Callable = FUNCTIONS[name];
  if (values.length < least || values.length > takes.length) {
    const count = least === takes.length ? `${least}` : `${least} to ${takes.length}`;
    throw wrong(part, `gives ${name} ${values.length} values, and it takes ${count}`);
  }
  return call(...values.map((value, i) => argument(part, name, takes[i], value)));
}

/** A value as a function wants it. */
function argument(part: string, name: string, kind: Kind, value: Value): unknown {
  const isNumbers = Array.isArray(value) && value.every((v) => typeof v === "number");
  if (typeof kind !== "string") return options(part, name, kind, value);
  switch (kind) {
    case "tensor":
      if (value instanceof t.Tensor) return value;
      break;
    case "operand":
      if (isOperand(value)) return value;
      break;
    case "tensors":
      if (Array.isArray(value) && value.every((v) => v instanceof t.Tensor)) return value;
      break;
    case "number":
      if (typeof value === "number") return value;
      break;
    case "pair":
      if (typeof value === "number" || isNumbers && value.length === 2) return value;
      break;
    case "numbers":
      if (isNumbers) return value;
      break;
    case "labels":
      if (isNumbers && value.every((v: number) => v >>> 0 === v)) {
        return new t.Variable("labels", [value.length], Uint32Array.from(value));
      }
      break;
  }
  throw wrong(part, `gives ${name} something else where it takes ${WORDS[kind]}`);
}

const WORDS: Readonly<Record<Exclude<Kind, readonly string[]>, string>> = {
  tensor: "a tensor",
  operand: "a tensor or a number",
  tensors: "tensors, [a, b]",
  number: "a number",
  pair: "a number or two, [1, 2]",
  numbers: "numbers, [1, 2]",
  labels: "a class for each row, [0, 2, 1]",
};

function options(part: string, name: string, known: readonly string[], value: Value) {
  if (!(value instanceof Map)) throw wrong(part, `gives ${name} no options, {${known[0]}: ..}`);
  const unknown = [...value.keys()].find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw wrong(part, `${name} has no option ${unknown}${didYouMean(unknown, known)}`);
  }
  return Object.fromEntries(value);
}

const isOperand = (value: Value): value is Operand =>
  value instanceof t.Tensor || typeof value === "number";

const wrong = (part: string, problem: string): UserError =>
  new UserError(`"${part}" ${problem}`, ExitCode.usage);
