/** Matrix products of many pairs of matrices at once, as attention needs them. */

import { broadcastTo } from "./broadcast.ts";
import { conv2d } from "./conv.ts";
import { matmul } from "./matmul.ts";
import { permute, reshape } from "./movement.ts";
import { broadcastShapes, numel, shapeError } from "./shape.ts";
import { requireTensors, type Tensor } from "./tensor.ts";

/**
 * a [.., M, K] times b [.., K, N]; the axes before are broadcast. A product for each of some groups
 * is a 1 x 1 convolution by groups, the one's matrices being the filters: so it can be
 * differentiated as often as a convolution.
 */
export function bmm(a: Tensor, b: Tensor): Tensor {
  requireTensors("bmm", a, b);
  const [m, k] = a.shape.slice(-2);
  const [kb, n] = b.shape.slice(-2);
  if (a.rank < 2 || b.rank < 2 || k !== kb) {
    throw shapeError("bmm", "needs [.., M, K] and [.., K, N]", a.shape, b.shape);
  }
  if (b.rank === 2) {
    const rows = reshape(a, [a.size / k, k]);
    return reshape(matmul(rows, b), [...a.shape.slice(0, -1), n]);
  }
  const lead = broadcastShapes("bmm", a.shape.slice(0, -2), b.shape.slice(0, -2));
  const groups = numel(lead);
  const stacked = (x: Tensor) =>
    reshape(broadcastTo(x, [...lead, ...x.shape.slice(-2)]), [groups, ...x.shape.slice(-2)]);
  const rows = reshape(permute(stacked(a), [1, 0, 2]), [1, m, 1, groups * k]);
  const filters = reshape(permute(stacked(b), [1, 0, 2]), [1, 1, k, groups * n]);
  const y = reshape(conv2d(rows, filters, { groups }), [m, groups, n]);
  return reshape(permute(y, [1, 0, 2]), [...lead, m, n]);
}
