/** An expression at a place: its inputs with shapes and random values, its graph on them. */

import { ExitCode, UserError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import { draws, streamId, uniform } from "../random.ts";
import { numel, type Shape, Variable } from "../tensor/mod.ts";
import { type Expression, parseExpression } from "./expression.ts";
import type { NamedInput, Subject } from "./gradcheck.ts";

/** The shape of an input that is given none. */
export const USUAL_SHAPE: Shape = [2, 3];

export interface SubjectOptions {
  /** Shapes of inputs, `x=1x8x8x4` or `x=scalar`. */
  readonly shapes?: readonly string[];
  /** Where the inputs' values are drawn from. */
  readonly range?: readonly number[];
  readonly seed?: number;
  /** What shapes are given by, for messages. */
  readonly flag?: string;
}

/** @throws UserError (usage) where it is no expression, has no inputs, or shapes don't fit */
export function subjectOf(
  text: string,
  { shapes = [], range = [-1, 1], seed = 0, flag = "shapes" }: SubjectOptions = {},
): Subject {
  const expression = parseExpression(text);
  const given = shapesOf(expression, shapes, flag);
  const inputs = expression.names.map((name): NamedInput => {
    const shape = given.get(name) ?? USUAL_SHAPE;
    return { name, variable: new Variable(name, shape, drawn(name, shape, range, seed)) };
  });
  if (inputs.length === 0) {
    throw new UserError(`"${text}" has no inputs: nothing can be differentiated`, ExitCode.usage);
  }
  const variables = new Map(inputs.map(({ name, variable }) => [name, variable]));
  try {
    return { value: expression.build(variables), inputs };
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode === ExitCode.usage) throw error;
    const missing = expression.names.filter((name) => !given.has(name));
    const hint = missing.length > 0
      ? `${missing.join(", ")} had no shape and got ${USUAL_SHAPE.join("x")}: give ${flag}`
      : undefined;
    throw new UserError(error.message, ExitCode.usage, hint);
  }
}

/** "x=1x8x8x4" for each of some names. */
function shapesOf({ names }: Expression, given: readonly string[], flag: string) {
  return new Map<string, Shape>(given.map((text) => {
    const [, name, extents] = /^(\w+)=(scalar|\d+(?:x\d+)*)$/.exec(text) ?? [];
    if (name === undefined) {
      throw new UserError(`${flag} takes x=1x8x8x4 and the like, not "${text}"`, ExitCode.usage);
    }
    if (!names.includes(name)) {
      throw new UserError(
        `${flag}: the expression has no input ${name}${didYouMean(name, names)}`,
        ExitCode.usage,
        `its inputs are ${names.join(", ")}`,
      );
    }
    return [name, extents === "scalar" ? [] : extents.split("x").map(Number)] as const;
  }));
}

/** An input's values, the same for the same name and seed. */
export function drawn(
  name: string,
  shape: Shape,
  [from, to]: readonly number[],
  seed: number,
): Float32Array<ArrayBuffer> {
  const draw = draws(seed, streamId(`input ${name}`));
  return Float32Array.from(
    { length: numel(shape) },
    (_, i) => from + (to - from) * uniform(draw(i)),
  );
}
