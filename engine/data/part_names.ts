/**
 * Names of a data set's parts, in the spellings that people use: Training, train_set, test-images,
 * valid, dev, val2017.
 */

export const PART_NAMES = ["train", "val", "test"] as const;
export type Part = typeof PART_NAMES[number];

const SPELLINGS = new Map<string, Part>([
  ...["train", "training", "trn"].map((word) => [word, "train"] as const),
  ...["val", "valid", "validation", "validate", "validating", "dev", "devel", "development"]
    .map((word) => [word, "val"] as const),
  ...["test", "testing", "tst", "eval", "evaluation", "holdout", "heldout"]
    .map((word) => [word, "test"] as const),
]);

/** Words that stand beside a part's name and say nothing about which it is. */
const FILLERS = [
  ...["datasets", "dataset", "data", "sets", "set", "images", "image", "imgs", "img", "splits"],
  ...["split", "parts", "part", "folder", "files", "file", "list", "labels", "label"],
  ...["annotations", "annotation", "pictures", "photos", "samples", "subset"],
];

/** The part that a name stands for, or undefined. */
export function partOf(name: string): Part | undefined {
  const words = name.toLowerCase().replace(/(h[eo]ld)[-_ ]out/, "$1out").split(/[^\p{L}]+/u);
  const telling = words.map(withoutFiller).filter(Boolean);
  return telling.length === 1 ? SPELLINGS.get(telling[0]) : undefined;
}

/** "trainingset" as "training", and nothing of a word that is a filler. */
function withoutFiller(word: string): string {
  if (SPELLINGS.has(word)) return word;
  const filler = FILLERS.find((end) => word.endsWith(end));
  return filler === undefined ? word : withoutFiller(word.slice(0, -filler.length));
}
