/** A measure as a curve, for a picture: a report draws those of the same title into one. */

export interface Curve {
  readonly title: string;
  /** What the axes are, with their units. */
  readonly x: string;
  readonly y: string;
  /** A sentence that says what is seen. */
  readonly caption: string;
  /** Of the y axis; by the points if absent. */
  readonly range?: readonly [low: number, high: number];
  /** Whether the ideal is y = x, to be drawn beside it; both axes are in percent then. */
  readonly diagonal?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}
