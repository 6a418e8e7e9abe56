/**
 * Ten figures as sets of points in the plane, u to the right and v downwards, within a radius of
 * about 1. Each is drawn once as a bitmap; an image looks its points up there.
 *
 * Only + - * / and comparisons, whose results IEEE 754 fixes: the bits are the same everywhere.
 */

type Figure = (u: number, v: number) => boolean;

/** Corners of a star of five points, outer and inner ones in turn; regular to seven digits. */
const star: readonly [number, number][] = [
  [0, -1],
  [0.2644760, -0.3640199],
  [0.9510565, -0.3090170],
  [0.4279312, 0.1390433],
  [0.5877853, 0.8090170],
  [0, 0.45],
  [-0.5877853, 0.8090170],
  [-0.4279312, 0.1390433],
  [-0.9510565, -0.3090170],
  [-0.2644760, -0.3640199],
];

const disc = (u: number, v: number, radius: number) => u * u + v * v <= radius * radius;

const figures: Record<string, Figure> = {
  disc: (u, v) => disc(u, v, 0.9),
  ring: (u, v) => disc(u, v, 0.92) && !disc(u, v, 0.5),
  square: (u, v) => Math.max(Math.abs(u), Math.abs(v)) <= 0.74,
  triangle: (u, v) => v <= 0.5 && 1.7320508 * Math.abs(u) - v <= 1,
  star: (u, v) => insidePolygon(star, u, v),
  cross: (u, v) => {
    const [a, b] = [Math.abs(u), Math.abs(v)];
    return Math.min(a, b) <= 0.3 && Math.max(a, b) <= 0.92;
  },
  crescent: (u, v) => disc(u, v, 0.95) && !disc(u - 0.48, v, 0.72),
  heart: (u, v) => {
    const [x, y] = [1.25 * u, 0.1 - 1.25 * v];
    const a = x * x + y * y - 1;
    return a * a * a - x * x * y * y * y <= 0;
  },
  arrow: (u, v) =>
    (Math.abs(v) <= 0.24 && u >= -0.95 && u <= 0.05) ||
    (u >= 0 && Math.abs(v) <= 0.8 * (0.95 - u)),
  hourglass: (u, v) => Math.abs(v) <= 0.9 && Math.abs(u) <= 0.1 + 0.72 * Math.abs(v),
};

/** The figures' names: the classes of the data set `shapes`, in the order of their labels. */
export const figureNames: readonly string[] = Object.keys(figures);

/** Whether a point lies in a polygon: a ray to the right crosses its edges an odd number of times. */
function insidePolygon(corners: readonly [number, number][], u: number, v: number): boolean {
  let inside = false;
  for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
    const [u1, v1] = corners[i];
    const [u2, v2] = corners[j];
    if ((v1 > v) !== (v2 > v) && u < u1 + (v - v1) / (v2 - v1) * (u2 - u1)) inside = !inside;
  }
  return inside;
}

/** Points of a bitmap along a side; at the largest size drawn, a tenth of a pixel each. */
export const bitmapSize = 256;

/** The figures over [-1, 1) x [-1, 1), row by row, 1 inside. */
export function drawBitmaps(): Uint8Array[] {
  const at = (i: number) => (i + 0.5) / (bitmapSize / 2) - 1;
  return Object.values(figures).map((figure) =>
    Uint8Array.from(
      { length: bitmapSize * bitmapSize },
      (_, i) => Number(figure(at(i % bitmapSize), at(Math.floor(i / bitmapSize)))),
    )
  );
}
