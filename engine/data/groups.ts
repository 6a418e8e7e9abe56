/**
 * Groups of images by label and kind of background. Where the two went together in training,
 * accuracy hides what the worst group shows: how the images fare where they don't.
 *
 * What is compared between models is the accuracy of two groups, `pairingsOf`. The combinations of
 * label and background, `combinationsOf`, are a hundred groups of some twenty test images, and the
 * worst of so many is mostly the unluckiest: they tell where to look, not which model is better.
 */
import type { DataSet, Split } from "./dataset.ts";

export interface Groups {
  readonly names: readonly string[];
  /** (N) the group of each image of the split */
  readonly of: Uint16Array<ArrayBuffer>;
}

export interface GroupAccuracy {
  readonly name: string;
  readonly accuracy: number;
  readonly correct: number;
  readonly total: number;
}

/** Groups with fewer images say too little to be the worst one. */
export const SMALLEST_GROUP = 10;

/** Two groups: is the background the class's own, or another one? Undefined where not known. */
export function pairingsOf({ labels, backgrounds }: Split): Groups | undefined {
  return backgrounds && {
    names: ["on the class's own background", "on another background"],
    of: labels.map((label, i) => backgrounds[i] === label ? 0 : 1),
  };
}

/** A group for each label and background ("Sandal on frog"). Undefined where not known. */
export function combinationsOf(
  { classes, backgroundNames }: DataSet,
  { labels, backgrounds }: Split,
): Groups | undefined {
  if (!backgroundNames || !backgrounds) return undefined;
  const names = classes.flatMap((name) => backgroundNames.map((ground) => `${name} on ${ground}`));
  return { names, of: labels.map((label, i) => label * backgroundNames.length + backgrounds[i]) };
}

/** How each group that occurs is classified, the worst first. @param right for each image */
export function groupAccuracies(right: readonly boolean[], { names, of }: Groups): GroupAccuracy[] {
  const counts = names.map(() => ({ correct: 0, total: 0 }));
  of.forEach((group, i) => {
    counts[group].total++;
    counts[group].correct += Number(right[i]);
  });
  return counts
    .map(({ correct, total }, g) => ({ name: names[g], accuracy: correct / total, correct, total }))
    .filter(({ total }) => total > 0)
    .sort((a, b) => a.accuracy - b.accuracy);
}

/** The group with the lowest accuracy, of those with `SMALLEST_GROUP` images or more. */
export function worstGroup(right: readonly boolean[], groups: Groups): GroupAccuracy | undefined {
  return groupAccuracies(right, groups).find(({ total }) => total >= SMALLEST_GROUP);
}
