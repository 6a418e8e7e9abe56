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

/** Two groups: is the background the class's own, or another one? Undefined where not known. */
export function pairingsOf({ labels, backgrounds }: Split): Groups | undefined {
  return backgrounds && {
    names: ["on the class's own background", "on another background"],
    of: labels.map((label, i) => backgrounds[i] === label ? 0 : 1),
  };
}

/** How many images each group has. */
export function groupSizes({ names, of }: Groups): number[] {
  const sizes = new Array<number>(names.length).fill(0);
  for (const group of of) sizes[group]++;
  return sizes;
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
