/** What a diagnosis found to be wrong, in words for the terminal. */

import {
  type Finding,
  FINDINGS_FILE,
  type FindingsFile,
  othersOf,
} from "../engine/doctor/findings/findings.ts";
import { LABEL, labelled, percent, wrap } from "../engine/prose.ts";

/** Images that are named; all of them are in the file. */
const SHOWN = 3;

/** The findings, the most serious first, and what else was looked for. */
export function describeFindings(file: FindingsFile): string {
  const { judged, findings } = file;
  const { sound, untold } = othersOf(file);
  const rest = [
    sound.length > 0 &&
    labelled("sound", `not found: ${sound.map(({ words }) => words).join(", ")}`),
    ...untold.map(({ words, lacking }) => labelled("unknown", `${words}: ${lacking}`)),
  ];
  return [
    wrap(
      (findings.length === 0 ? "nothing that is looked for was found" : "what is wrong") +
        `, by ${judged.images} ${judged.pool} images, of which ` +
        `${percent(judged.accuracy, 1)} are classified right`,
    ),
    ...findings.map(describe),
    "",
    ...rest.filter((line) => line !== false),
  ].join("\n");
}

function describe(
  { claim, evidence, advice, helped, images = [] }: Finding,
  place: number,
): string {
  const more = images.length - SHOWN;
  return [
    "",
    labelled(`${place + 1}.`, claim),
    ...evidence.map((sentence) => labelled("", sentence)),
    labelled("do", advice),
    labelled("helped", helped ?? "no treatment was measured in such a case"),
    ...images.slice(0, SHOWN).map((image, i) => labelled(i === 0 ? "images" : "", image)),
    ...more > 0 ? [`${" ".repeat(LABEL)}and ${more} more in ${FINDINGS_FILE}`] : [],
  ].join("\n");
}
