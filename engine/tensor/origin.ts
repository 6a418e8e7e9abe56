/**
 * Where a node comes from: the layer that was being applied when it was built, and how often it
 * has been differentiated since. A profile tells time by these.
 *
 * Building a graph is synchronous, so one current origin is enough: a module sets it while it is
 * applied (engine/nn/module.ts), a gradient rule runs under the origin of the node that it
 * differentiates (autograd.ts), and a rewritten node keeps its own (engine/plan/simplify.ts).
 */

export interface Origin {
  /** A module's path; "(loss)" and the like for what belongs to no module; "" where nobody said. */
  readonly layer: string;
  /** 0 forward, 1 gradient, 2 gradient of a gradient. */
  readonly order: number;
}

let current: Origin = { layer: "", order: 0 };

/** The origin of what is built now. */
export const currentOrigin = (): Origin => current;

/** Builds nodes that come from `origin`. */
export function withOrigin<T>(origin: Origin, build: () => T): T {
  const outer = current;
  current = origin;
  try {
    return build();
  } finally {
    current = outer;
  }
}

/** Builds nodes of a layer's forward pass. */
export function inLayer<T>(layer: string, build: () => T): T {
  return withOrigin({ layer, order: 0 }, build);
}

/** The origin of a node's gradient. */
export function derivative({ layer, order }: Origin): Origin {
  return { layer, order: order + 1 };
}

const ORDERS = ["the output", "a gradient", "a second derivative"];

/** "the output of features.3", "a gradient at features.3", "the loss". */
export function placeOf({ layer, order }: Origin): string {
  const own = /^\((.*)\)$/.exec(layer)?.[1];
  if (own !== undefined && order === 0) return `the ${own}`;
  const what = ORDERS[order] ?? `a derivative of order ${order}`;
  return `${what} ${order === 0 ? "of" : "at"} ${own === undefined ? layer : `the ${own}`}`;
}
