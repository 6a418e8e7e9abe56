/** Images worth a look: of low confidence, and with labels that may be wrong. */

import type { Exhibit, Exhibits, LowExhibit, SuspectExhibit } from "../../doctor/exhibits.ts";
import { Html, html } from "../html.ts";
import { thumbnail } from "../pictures.ts";
import { behind, image, paragraph, type Section, table } from "../pieces.ts";
import { counted, marked, percent } from "../text.ts";

/** Pixels of a picture on the page. */
const SIDE = 72;

/** @param model what the images were shown to, in words */
export function doubtsSection(
  { file, tensors }: Exhibits,
  classes: readonly string[],
  model: string,
): Section {
  const { low, suspects, searched } = file;
  const found = searched.map(({ pool, images, suspects }) =>
    `${suspects} of ${counted(images, `${pool} image`)}`
  );
  const grid = (items: readonly Html[]) => html`<ul class="images small">${items}</ul>`;
  return {
    id: "doubts",
    title: "Worth a look",
    content: html`<h3>Low confidence</h3>
${
      paragraph(
        `Training images of each class that ${model} gets wrong with the highest confidence, and `,
        "right with the lowest: those for which a drawn mask helps most. sift.json lists more.",
      )
    }
${grid(low.map((of, i) => lowItem(of, thumbnail(tensors.get("low")!, i), classes)))}
${low.length > 0 && behind("Numbers", lowTable(low, classes))}
<h3>Suspected label errors</h3>
${
      paragraph(
        `Images whose label ${model} confidently contradicts (confident learning, Northcutt et al. `,
        "2021): another class is likelier than it is, on average, for images with that label. ",
        `Found: ${
          found.join(", ")
        }. A suspicion is no proof: the weaker the model, the more of them are merely hard. What a `,
        "model was trained on it rather believes, so in training images it finds fewer.",
      )
    }
${grid(suspects.map((of, i) => suspectItem(of, thumbnail(tensors.get("suspects")!, i), classes)))}
${suspects.length > 0 && behind("Numbers", suspectTable(suspects, classes))}`,
  };
}

const nameOf = ({ pool, index, name }: Exhibit) => name ?? `${pool} ${index}`;

function lowItem(of: LowExhibit, uri: string, classes: readonly string[]): Html {
  const [label, predicted] = [classes[of.label], classes[of.predicted]];
  const right = of.label === of.predicted;
  return html`
    <li>${image(
      uri,
      `${nameOf(of)}, labelled ${label}`,
      SIDE,
    )}<span>${label}</span><br><span class="${right ? "right" : "wrong"}">${marked(
      predicted,
      right,
    )} ${percent(of.confidence, 0)}</span></li>
  `;
}

function suspectItem(of: SuspectExhibit, uri: string, classes: readonly string[]): Html {
  const [label, suggested] = [classes[of.label], classes[of.suggested]];
  return html`
    <li>${image(uri, `${nameOf(of)}, labelled ${label}`, SIDE)}<span>${label} ${percent(
      of.labelProbability,
      0,
    )}</span><br><strong>${suggested} ${percent(
      of.suggestedProbability,
      0,
    )}?</strong><br><span class="quiet">${nameOf(of)}</span></li>
  `;
}

const lowTable = (low: readonly LowExhibit[], classes: readonly string[]) =>
  table({
    caption: "Images of low confidence",
    header: ["Image", "Label", "Predicted", "Confidence"],
    rows: low.map((of) => [
      ...[nameOf(of), classes[of.label], classes[of.predicted], percent(of.confidence, 1)],
    ]),
  });

const suspectTable = (suspects: readonly SuspectExhibit[], classes: readonly string[]) =>
  table({
    caption: "Suspected label errors",
    header: ["Image", "Label", "Its probability", "Suggested", "Its probability"],
    rows: suspects.map((of) => [
      ...[nameOf(of), classes[of.label], percent(of.labelProbability, 1)],
      ...[classes[of.suggested], percent(of.suggestedProbability, 1)],
    ]),
  });
