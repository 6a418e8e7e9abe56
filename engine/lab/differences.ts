/** Finite differences: what a function's slope is found to be by going a step along a direction. */

/**
 * The slope of `f` at 0, by the central difference of fourth order:
 *
 *     (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h  =  f'(0) + O(h^4)
 *
 * In float64, with h = 2e-5, about 1e-9 of the function's size is left as an error by rounding.
 */
export function slope(f: (step: number) => number, h: number): number {
  const change = (step: number) => f(step) - f(-step);
  return (8 * change(h) - change(2 * h)) / (12 * h);
}

/**
 * How far a derivative along a direction is from what differences say.
 * @param terms the gradient's elements, each times the direction's
 * @returns relative to what a sum of such terms with random signs comes to
 */
export function slopeError(terms: ArrayLike<number>, difference: number): number {
  let [derivative, square] = [0, 0];
  for (let i = 0; i < terms.length; i++) {
    derivative += terms[i];
    square += terms[i] ** 2;
  }
  const scale = Math.max(Math.sqrt(square), Math.abs(difference), SMALLEST);
  return Math.abs(difference - derivative) / scale;
}

/** Below this a slope is as good as none: rounding is larger. */
const SMALLEST = 1e-3;
