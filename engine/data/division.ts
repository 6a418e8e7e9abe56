/**
 * What of a folder's images is trained on and what is tested on: as its parts say, or where there
 * is no test part a share of each class. What was decided here is noted as a guess.
 */
import { ExitCode, UserError } from "../errors.ts";
import { permutation, streamId } from "../random.ts";
import type { Listing } from "./listing.ts";
import { type Notes, some } from "./notes.ts";

/**
 * What a val part is for where there is no test part: the test, the choice of the epoch (a test is
 * then set apart of the training images), or half of each class for either, so that images which
 * were trained on have no part in them.
 */
export const VAL_USES = ["test", "validation", "both"] as const;

export interface DivideOptions {
  /** Of each class, rounded down, but at least one image; by default one in six. */
  readonly testShare?: number;
  readonly valFor?: typeof VAL_USES[number];
}

export interface Division {
  /** Indices of images. */
  readonly train: number[];
  readonly validation: number[];
  readonly test: number[];
  /** What had to be decided, for the set's description. */
  readonly how: string;
}

/** Of each class one in so many images is for the test, where the folder has no such part. */
const TEST_PART = 6;

/**
 * @throws UserError (data) where a class has images to be tested on, but none to train on; (usage)
 * for an option that has no effect here
 */
export function divide(
  { labels, parts }: Pick<Listing, "labels" | "parts">,
  folder: string,
  { testShare, valFor }: DivideOptions,
  notes: Notes,
): Division {
  const of = (part?: string) => [...parts.keys()].filter((i) => parts[i] === part);
  const classesOf = (rows: readonly number[]) => new Set(rows.map((i) => labels[i]));
  const share = testShare === undefined ? `one in ${TEST_PART}` : `${100 * testShare} %`;
  const apart = `${share} of each class set apart for the test`;
  const cut = (rows: readonly number[], validation: number[], why = ""): Division => {
    notes.guess(`${why}${apart}, since there is no test part`, "--test-share, or a test part");
    return { ...splitTest(rows, labels, testShare, notes), validation, how: `; ${why}${apart}` };
  };
  const [train, validation, test] = [of("train"), of("val"), of("test")];
  const decided = train.length > 0 && test.length > 0;
  if (decided && testShare !== undefined) throw idle("--test-share", folder, "a test part");
  if (valFor !== undefined && (decided || validation.length === 0)) {
    throw idle("--val-for", folder, decided ? "a test part" : "no val part");
  }
  if (train.length === 0) return cut([...labels.keys()], []);
  const [seen, asked] = [classesOf(train), classesOf([...validation, ...test])];
  if (asked.size > 0 && seen.isDisjointFrom(asked)) {
    return cut([...labels.keys()], [], "classes of disjoint parts, ");
  }
  const unseen = [...asked].find((label) => !seen.has(label));
  if (unseen !== undefined) {
    throw new UserError(
      `${folder}: the class ${unseen} has images in the test or validation part, but none to train on`,
      ExitCode.data,
    );
  }
  if (test.length > 0) {
    const tested = classesOf(test);
    const missing = [...seen].filter((label) => !tested.has(label));
    if (missing.length > 0) notes.warn(`no image of ${some(missing)} is in the test part`);
    return { train, validation, test, how: "" };
  }
  if (validation.length === 0 || valFor === "validation") return cut(train, validation);
  if (testShare !== undefined) throw idle("--test-share", folder, "a val part for the test");
  if (valFor === "both") return { train, ...halves(validation, labels, notes), how: "" };
  if (valFor === undefined) {
    notes.guess("the val part is the test, since there is no test part", "--val-for");
  }
  return { train, validation: [], test: validation, how: "" };
}

const idle = (flag: string, folder: string, has: string) =>
  new UserError(`${flag} has no effect: ${folder} has ${has}`, ExitCode.usage);

/** A val part of which half of each class chooses the epoch, and the other half is the test. */
function halves(
  rows: readonly number[],
  labels: Listing["labels"],
  notes: Notes,
): { validation: number[]; test: number[] } {
  const test = new Set<number>();
  const single: string[] = [];
  for (const [label, members] of Map.groupBy(rows, (i) => labels[i])) {
    if (members.length === 1) single.push(label);
    const order = permutation(members.length, 0, streamId(`val/${label}`));
    order.subarray(0, Math.floor(members.length / 2)).forEach((i) => test.add(members[i]));
  }
  if (single.length > 0) {
    notes.warn(`no image of ${some(single)} is in the test: the val part has one`);
  }
  return {
    validation: rows.filter((i) => !test.has(i)),
    test: rows.filter((i) => test.has(i)),
  };
}

function splitTest(
  rows: readonly number[],
  labels: Listing["labels"],
  share: number | undefined,
  notes: Notes,
): { train: number[]; test: number[] } {
  const test = new Set<number>();
  const single: string[] = [];
  for (const [label, members] of Map.groupBy(rows, (i) => labels[i])) {
    const n = members.length;
    const wanted = Math.floor(share === undefined ? n / TEST_PART : n * share) || 1;
    if (n === 1) single.push(label);
    const order = permutation(n, 0, streamId(`test/${label}`));
    order.subarray(0, Math.min(wanted, n - 1)).forEach((i) => test.add(members[i]));
  }
  if (single.length > 0) {
    notes.warn(
      `${some(single)} ${single.length > 1 ? "have" : "has"} one image, which is trained ` +
        "on, and none for the test",
    );
  }
  return { train: rows.filter((i) => !test.has(i)), test: rows.filter((i) => test.has(i)) };
}
