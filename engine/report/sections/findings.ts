/** What the diagnosis found to be wrong, with what it rests on and what to do. */

import {
  type Finding,
  FINDINGS_FILE,
  type FindingsFile,
  othersOf,
} from "../../doctor/findings/findings.ts";
import { type Html, html } from "../html.ts";
import { behind, facts, paragraph, type Section, table } from "../pieces.ts";
import type { SeedsRun } from "../run.ts";
import { capital, counted, percent } from "../text.ts";

/** Images that are listed; all of them are in the file. */
const MOST = 100;

/** @param model what was diagnosed, in words */
export function findingsSection(of: FindingsFile, model: string): Section {
  const { judged, findings } = of;
  const { sound, untold } = othersOf(of);
  return {
    id: "findings",
    title: "Findings",
    content: html`${
      findings.length === 0
        ? html`<p class="verdict">Nothing that is looked for was found in ${model}.</p>`
        : html`<ol class="findings">${findings.map(finding)}</ol>`
    }
${
      paragraph(
        `Judged by ${counted(judged.images, `${judged.pool} image`)}, of which `,
        `${percent(judged.accuracy, 1)} are classified right. `,
        sound.length > 0 &&
          `Looked for and not found: ${sound.map(({ words }) => words).join("; ")}. `,
        untold.map(({ words, lacking }) =>
          `${capital(words)} could not be looked for: ${lacking}. `
        ),
      )
    }`,
  };
}

const finding = ({ claim, evidence, advice, helped, images = [] }: Finding): Html =>
  html`
    <li><strong>${claim}</strong>
      <ul>${evidence.map(item)}</ul>
      ${facts([["What to do", advice], ["What helped", helped ?? NONE]])}
      ${images.length > 0 && behind("Images to look at", listed(images))}
    </li>
  `;

const NONE = "No treatment was measured in such a case.";

function listed(images: readonly string[]): Html {
  const more = images.length - MOST;
  return html`<ul>${images.slice(0, MOST).map(item)}${
    more > 0 && item(`and ${more} more in ${FINDINGS_FILE}`)
  }</ul>`;
}

const item = (text: string): Html => html`<li>${text}</li>`;

/** In how many seeds each finding was made; the report of each has its evidence. */
export function seedsFindings(parts: SeedsRun["parts"]): Section | undefined {
  const all = parts.flatMap(({ result: { seed }, findings }) =>
    findings ? [{ seed, findings }] : []
  );
  if (all.length === 0) return undefined;
  const [{ findings: { looked } }] = all;
  const rows = looked.map(({ name, words, lacking }) => {
    const made = all.filter(({ findings }) => findings.findings.some((of) => of.name === name));
    const seeds = made.map(({ seed }) => seed).join(", ");
    return [capital(words), lacking ?? `${made.length} of ${all.length}`, seeds];
  });
  return {
    id: "findings",
    title: "Findings",
    content: table({
      caption: "What was found of the baselines",
      ...{ header: ["Looked for", "Found", "With the seeds"], rows, texts: true },
    }),
  };
}
