/** The account of a run's data, as it is printed before the run begins. */

import { ACCOUNT, type Account, sizeText } from "../engine/data/account.ts";
import { some } from "../engine/data/notes.ts";
import { table } from "./framework/table.ts";
import { LABEL, labelled } from "../engine/prose.ts";

/** Classes of different numbers of images are listed, those with the fewest. */
const LISTED = 20;

/** What was found, used, left out, guessed and found odd. */
export function describeAccount(account: Account): string {
  const { input, resized, normalisation: { mean, std, colour } } = account;
  const numbers = (values: readonly number[]) => values.map((x) => +x.toPrecision(6)).join(", ");
  const lines = [
    labelled(
      "images",
      `${sizeText(input)}, ${resized}; mean ${numbers(mean)}, std ${numbers(std)}` +
        (colour === "bgr" ? "; blue, green, red" : ""),
    ),
    labelled("used", describeUsed(account)),
    describeClasses(account),
    ...describeMasks(account).map((text) => labelled("masks", text)),
    ...account.left_out.map(({ why, count, examples }) =>
      labelled("left out", `${why}: ${count}, ${some(examples, examples.length, count)}`)
    ),
    ...account.guesses.map(({ what, settle }) =>
      labelled("guessed", `${what} (settle: ${settle})`)
    ),
    ...account.warnings.map((what) => labelled("warning", what)),
  ];
  return lines.filter((line) => line !== undefined).join("\n");
}

/** Numbers of images by part. */
function describeUsed({ classes, used, found }: Account): string {
  const parts = Object.entries(used).map(([part, counts]) => {
    const [n, of] = [total(counts), total(found[part] ?? counts)];
    const [least, most] = [Math.min(...counts), Math.max(...counts)];
    const each = least === most ? `${least}` : `${least} to ${most}`;
    return `${n} ${part} images${n < of ? ` of ${of}` : ""}, ${each} of a class`;
  });
  return `${classes.length} classes; ${parts.join("; ")}`;
}

/** The classes with their numbers of images, where those differ by more than chance makes them. */
function describeClasses({ classes, used }: Account): string | undefined {
  const parts = Object.entries(used);
  if (parts.every(([, counts]) => Math.max(...counts) - Math.min(...counts) <= 1)) return undefined;
  const [[, first]] = parts;
  const fewest = [...classes.keys()].sort((a, b) => first[a] - first[b]);
  const listed = fewest.slice(0, LISTED).sort((a, b) => a - b);
  const rows = listed.map((k) => [classes[k], ...parts.map(([, counts]) => `${counts[k]}`)]);
  const left = classes.length - listed.length;
  const text = table(["class", ...parts.map(([part]) => part)], rows) +
    (left > 0 ? `\n${left} classes with more images, see ${ACCOUNT}` : "");
  return text.replace(/^/gm, " ".repeat(LABEL));
}

/** One line where all images have masks. */
function describeMasks({ masked, used }: Account): string[] {
  const parts = Object.entries(masked).map(([part, n]) => ({ part, n, of: total(used[part]) }));
  if (parts.length === 0) return [];
  if (parts.every(({ n, of }) => n === of)) return ["all images have masks"];
  return parts.map(({ part, n, of }) => `${n} of ${of} ${part} images have masks`);
}

const total = (counts: readonly number[]) => counts.reduce((sum, n) => sum + n, 0);
