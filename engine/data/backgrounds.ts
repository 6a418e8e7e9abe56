/**
 * Backgrounds that go with the class, for the sets that are made here: with a correlation of 0.9, a
 * background is its class's own in nine of ten images and any one in the tenth. Below 0 it is
 * reversed: at -0.9, in nine of ten images certainly that of another class.
 */
import { percent } from "../prose.ts";
import { ExitCode, UserError } from "../errors.ts";
import { below } from "../random.ts";
import type { Draw } from "./textures.ts";

/**
 * The kind of background of an image.
 * @param kinds as many as there are classes; a class's own has its number
 * @param word a random word, which decides which other one
 * @param draw decides whether it is the class's own
 */
export function pickBackground(
  label: number,
  kinds: number,
  correlation: number,
  word: number,
  draw: Draw,
): number {
  if (draw() >= Math.abs(correlation)) return below(word, kinds);
  return correlation > 0 ? label : (label + 1 + below(word, kinds - 1)) % kinds;
}

/** @throws UserError (usage) where a correlation is out of range */
export function checkCorrelations(set: string, correlations: readonly number[]): void {
  for (const correlation of correlations) {
    if (correlation >= -1 && correlation <= 1) continue;
    throw new UserError(
      `${set}: a correlation of ${correlation} is not between -1 and 1`,
      ExitCode.usage,
    );
  }
}

/** "the background goes with the class at 90 % in training, 0 % in the test" */
export function describeCorrelations(
  train: number,
  test: number,
  what = "the background",
): string {
  return `${what} goes with the class at ${percent(train, 0)} in training, ` +
    `${percent(test, 0)} in the test`;
}
