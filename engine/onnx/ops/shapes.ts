/** Operators that make constants and shapes: numbers on the host, known before any image is. */

import type { HostTensor } from "../../io/host_tensor.ts";
import { numel } from "../../tensor/shape.ts";
import type { Stored } from "../stored.ts";
import { type Known, known, shapeOf, type Value } from "../value.ts";
import type { At, Operator } from "./at.ts";

/** More elements than any shape, and than any list of indices. */
const MOST_KNOWN = 2 ** 20;

/** Repeats what is one number; constants of more are not expanded by exporters. */
export function filled({ values, isWhole }: Known, shape: readonly number[], at: At): Known {
  if (values.length !== 1) at.refuse("repeats a list of constants");
  const isShape = shape.every((extent) => Number.isInteger(extent) && extent >= 0);
  if (!isShape || numel(shape) > MOST_KNOWN) at.refuse(`makes a constant of [${shape.join(", ")}]`);
  return known(Array(numel(shape)).fill(values[0]), shape, isWhole);
}

/** A constant by any of the attributes that state one. */
function constant(at: At): Value {
  const { attributes, tensors } = at.node;
  const stored = tensors.get("value");
  if (stored) return storedOnce(stored);
  const { f, i } = attributes.get("value_float") ?? attributes.get("value_int") ?? {};
  if (f !== undefined) return known([f], [], false);
  if (i !== undefined) return known([i], []);
  const floats = attributes.get("value_floats")?.floats;
  return floats
    ? known(floats, undefined, false)
    : known(at.ints("value_ints") ?? at.refuse("states no numbers"));
}

const read = new WeakMap<Stored, Known>();

/** A constant of the graph, the same one whenever the graph is built. */
function storedOnce(stored: Stored): Known {
  const value = read.get(stored) ?? knownOf(stored.read());
  read.set(stored, value);
  return value;
}

/** A stored tensor as numbers on the host. */
export function knownOf(
  { dtype, shape, data }: HostTensor,
): Known {
  return known(
    Array.from(data as ArrayLike<number | bigint>, Number),
    shape,
    !dtype.startsWith("F"),
  );
}

function constantOfShape(at: At): Value {
  const shape = at.known(0).values;
  if (!shape.every((extent) => extent >= 0) || numel(shape) > MOST_KNOWN) {
    at.refuse(`makes a constant of [${shape.join(", ")}]`);
  }
  const stored = at.node.tensors.get("value");
  const one = stored ? knownOf(stored.read()) : known([0], [1], false);
  return filled(one, shape, at);
}

function range(at: At): Value {
  const [start, limit, step] = [0, 1, 2].map((i) => at.known(i).values[0]);
  const count = Math.max(Math.ceil((limit - start) / step), 0);
  if (!(count <= MOST_KNOWN)) at.refuse(`counts from ${start} to ${limit} by ${step}`);
  return known(
    Array.from({ length: count }, (_, i) => start + i * step),
    undefined,
    (at.input(0) as Known).isWhole,
  );
}

export const shapes: Readonly<Record<string, Operator>> = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Range: range,
  Shape: (at) => {
    const shape = shapeOf(at.x);
    return known(shape.slice(at.int("start", 0), at.int("end", shape.length)));
  },
  Size: ({ x }) => known([numel(shapeOf(x))], []),
};
