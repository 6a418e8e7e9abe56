/** The operators that are read, by ONNX's names. */

import type { Operator } from "./at.ts";
import { convolutions } from "./conv.ts";
import { linear } from "./linear.ts";
import { movements } from "./movement.ts";
import { norms } from "./norm.ts";
import { pointwise } from "./pointwise.ts";
import { pools } from "./pool.ts";
import { reductions } from "./reduce.ts";
import { resizes } from "./resize.ts";
import { shapes } from "./shapes.ts";

export const OPERATORS: ReadonlyMap<string, Operator> = new Map(
  Object.entries({
    ...{ ...convolutions, ...linear, ...norms, ...pools },
    ...{ ...pointwise, ...reductions, ...movements, ...resizes, ...shapes },
  }),
);
