/**
 * The maps of Winograd's convolutions, made from the points at which they multiply.
 *
 * A line of m results of a correlation with three weights, y[i] = sum over r of d[i + r] w[r], is
 * linear in d and in w, and takes as few multiplications as there are points, m + 2:
 *
 *     y = Rt ((F w) * (D d))        F(m, 3), by Toom, Cook and Winograd
 *
 * The points are polynomials' arguments: row p of F evaluates the weights at p, over the product of
 * p's distances to the other points; row p of R holds the powers of p; row p of D the coefficients of
 * the product of (x - q) over the other points q. The last point is infinity: the highest
 * coefficients. In two dimensions a map is applied along the columns, then along the rows. The form
 * <dy, y> is symmetric in its three parts, so its gradient at the weights comes from the same maps:
 *
 *     dw = Ft ((R dy) * (D d))
 *
 * The points are 0, infinity and pairs p, -p. The rows of a pair differ in the signs of every other
 * column, so the two share sums. Powers of points amplify what float32 rounds; which points lose least
 * is found by trial (Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution
 * for Deep Neural Networks", 2020). Beside 0 and infinity, with relative L2 errors of y and dw over
 * random tiles of 64 channels, everything in float32:
 *
 *     1              F(2 x 2, 3 x 3), 16 multiplications for 36      2.7e-7   5.4e-7
 *     5/8, 3/2       F(4 x 4, 3 x 3), 36 for 144                     7.8e-7   1.5e-6
 *     1, 1/2, -2     the same, no pair but 1                         1.1e-6   2.3e-6
 *     1, 2           the same, by Lavin and Gray, 2016               1.7e-6   3.4e-6
 *
 * 5/8 and 3/2 (oneDNN takes them too) leave D and R exact in binary. With the kernels for GPUs, y, dx
 * and dw against float64, random operands, 16 output channels:
 *
 *     8 images of        direct                   2 x 2                    4 x 4
 *     32 x 32 x 64*      4.2e-7  2.2e-7  4.0e-7   2.7e-7  1.6e-7  8.6e-7   8.1e-7  5.4e-7  1.1e-6
 *     8 x 8 x 256        4.2e-7  2.1e-7  3.7e-7   5.1e-7  1.7e-7  4.1e-7   1.5e-6  5.6e-7  6.8e-7
 *     4 x 4 x 512        4.0e-7  1.9e-7  1.8e-7   7.3e-7  1.8e-7  2.3e-7   2.3e-6  6.1e-7  5.4e-7
 *
 * (* 2 images). An infinite value makes NaNs of its whole tile, where the direct way keeps infinities.
 */
import { floatLiteral } from "../render.ts";

/** A row for each point: 0, the pairs p and -p, infinity. */
export type Matrix = readonly (readonly number[])[];

/** F(m x m, 3 x 3) for some points. */
export interface Scheme {
  /** m, and along an axis the points: two more. */
  readonly results: number;
  readonly points: number;
  readonly maps: {
    /** D, F and R. */
    readonly image: Matrix;
    readonly filter: Matrix;
    readonly result: Matrix;
  };
}

/** Weights along an axis. */
export const TAPS = 3;

/** @param pairs the points beside 0 and infinity, without those of opposite sign */
function schemeOf(pairs: readonly number[]): Scheme {
  const finite = [0, ...pairs.flatMap((p) => [p, -p])];
  const points = finite.length + 1;
  const results = points - TAPS + 1;
  const others = (p: number) => finite.filter((q) => q !== p);
  const powers = (p: number, count: number) => Array.from({ length: count }, (_, k) => p ** k);
  const infinity = (count: number) => Array.from({ length: count }, (_, k) => +(k === count - 1));
  const image = finite.map((p) => [...polynomial(others(p)), 0]);
  const filter = finite.map((p) => {
    const distance = others(p).reduce((product, q) => product * (p - q), 1);
    return powers(p, TAPS).map((power) => power / distance);
  });
  return {
    results,
    points,
    maps: {
      image: [...image, polynomial(finite)],
      filter: [...filter, infinity(TAPS)],
      result: [...finite.map((p) => powers(p, results)), infinity(results)],
    },
  };
}

/** The coefficients, from the lowest, of the product of (x - root). */
function polynomial(roots: readonly number[]): number[] {
  return roots.reduce(
    (factors, root) => [0, ...factors].map((value, k) => value - root * (factors[k] ?? 0)),
    [1],
  );
}

/** F(4 x 4, 3 x 3). */
export const F4: Scheme = schemeOf([5 / 8, 3 / 2]);
/** F(2 x 2, 3 x 3). */
export const F2: Scheme = schemeOf([1]);

const pairsOf = (matrix: Matrix) =>
  Array.from({ length: matrix.length / 2 - 1 }, (_, k) => 2 * k + 1);
const column = (k: number) => `x[${k}]`;

/** WGSL of the map from a line of values to points. */
export function atPoints(matrix: Matrix): string {
  const of = (parity: number) => (p: number) =>
    combination(matrix[p].map((factor, k) => [k % 2 === parity ? factor : 0, column(k)]));
  const even = of(0), odd = of(1);
  const whole = (row: readonly number[]) => combination(row.map((f, k) => [f, column(k)]));
  const pairs = pairsOf(matrix);
  return [
    "fn at_points(x: Line) -> Values {",
    ...pairs.flatMap((p) => [`  let even_${p} = ${even(p)};`, `  let odd_${p} = ${odd(p)};`]),
    "  return Values(",
    `    ${whole(matrix[0])},`,
    ...pairs.flatMap((p) => [`    even_${p} + odd_${p},`, `    even_${p} - odd_${p},`]),
    `    ${whole(matrix.at(-1)!)});`,
    "}",
  ].join("\n");
}

/** WGSL of the transposed map, from values at points to a line. */
export function fromPoints(matrix: Matrix): string {
  const last = matrix.length - 1;
  const pairs = pairsOf(matrix);
  const lines = matrix[0].map((_, k) =>
    combination([
      [matrix[0][k], column(0)],
      ...pairs.map((p) => [matrix[p][k], `${k % 2 ? "difference" : "sum"}_${p}`] as const),
      [matrix[last][k], column(last)],
    ])
  );
  return [
    "fn from_points(x: Values) -> Line {",
    ...pairs.flatMap((p) => [
      `  let sum_${p} = x[${p}] + x[${p + 1}];`,
      `  let difference_${p} = x[${p}] - x[${p + 1}];`,
    ]),
    "  return Line(",
    lines.map((line) => `    ${line}`).join(",\n") + ");",
    "}",
  ].join("\n");
}

/** "0.5f * x[0] - x[2]". */
function combination(terms: readonly (readonly [factor: number, name: string])[]): string {
  const text = terms.filter(([factor]) => factor !== 0).map(([factor, name]) => {
    const size = Math.abs(factor);
    return {
      sign: factor < 0 ? "-" : "+",
      value: size === 1 ? name : `${floatLiteral(size)} * ${name}`,
    };
  });
  return text.map(({ sign, value }, k) =>
    k > 0 ? `${sign} ${value}` : sign === "-" ? `-${value}` : value
  )
    .join(" ");
}
