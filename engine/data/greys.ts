/** The greys of the decoys: one for each of ten classes, 255 - 25 y, from white to nearly black. */

/** The grey that goes with a class. */
export const greyOf = (label: number): number => 255 - 25 * label;

export const greyNames: readonly string[] = Array.from(
  { length: 10 },
  (_, y) => `grey ${greyOf(y)}`,
);
