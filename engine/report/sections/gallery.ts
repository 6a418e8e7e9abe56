/** The images that the treatment fixed and broke, with where each model looks. */

import type { ChangedExhibit, Exhibits } from "../../doctor/exhibits.ts";
import { type McNemar } from "../../doctor/significance.ts";
import { MODELS } from "../../doctor/result.ts";
import { Html, html } from "../html.ts";
import { imageAt, overlay, overlayScale, thumbnail } from "../pictures.ts";
import { behind, image, paragraph, type Section, table } from "../pieces.ts";
import { capital, marked, percent } from "../text.ts";

/** Pixels of a picture on the page. */
const SIDE = 80;

export function gallerySection(
  { file, tensors }: Exhibits,
  classes: readonly string[],
  { b, c }: McNemar,
): Section | undefined {
  const { changed } = file;
  if (!changed) return undefined;
  const stacks = { pictures: tensors.get("changed"), gradients: gradientsOf(tensors) };
  const item = (of: ChangedExhibit) => card(of, changed.indexOf(of), stacks, classes);
  const list = (fixed: boolean) => changed.filter((of) => of.fixed === fixed);
  const part = (title: string, fixed: boolean, all: number) => {
    const shown = list(fixed);
    const note = all > shown.length
      ? `The ${shown.length} of ${all} that both models are surest of.`
      : `All ${all} of them.`;
    return html`<h3>${title}</h3>${
      shown.length === 0
        ? paragraph("There is none.")
        : html`${paragraph(note)}<ul class="images changed">${shown.map(item)}</ul>`
    }`;
  };
  return {
    id: "images",
    title: "Images fixed and broken",
    content: html`
      ${paragraph(
        "Test images on which control and treated model disagree. Beside each image, in grey, ",
        "where the logit of its label is most sensitive to a pixel: the gradient's absolute value ",
        "before the treatment (baseline), after further training without it (control), and after ",
        "the treatment.",
      )}
      <div
        class="scale"><span>no gradient</span><img src="${overlayScale()}" alt="" height="11"><span>the strongest hundredth of the picture's pixels</span></div>
      ${part("Fixed: only the treated model is right", true, c)}
      ${part("Broken: only the control is right", false, b)}
      ${changed.length > 0 && behind("Numbers", numbers(changed, stacks, classes))}
    `,
  };
}

type Stack = ReturnType<Exhibits["tensors"]["get"]>;

interface Stacks {
  readonly pictures: Stack;
  readonly gradients: readonly Stack[];
}

const gradientsOf = (tensors: Exhibits["tensors"]): Stack[] =>
  MODELS.map((model) => tensors.get(`gradient.${model}`));

function card(
  { index, name, label, by }: ChangedExhibit,
  place: number,
  { pictures, gradients }: Stacks,
  classes: readonly string[],
): Html {
  const title = `${name ?? `test image ${index}`}, labelled ${classes[label]}`;
  return html`
    <li>
      <div class="tiles">
    <div>${image(
      thumbnail(pictures!, place),
      title,
      SIDE,
    )}<span>${classes[label]}</span><span class="quiet">${name ?? `no. ${index}`}</span></div>
    ${MODELS.map((model, m) => {
      const { predicted, confidence } = by[model];
      const right = predicted === label;
      return html`<div>${
        image(
          overlay(pictures!, gradients[m]!, place),
          `Gradient of the ${model} model at ${title}`,
          SIDE,
        )
      }<span>${model}</span><span class="${right ? "right" : "wrong"}">${
        marked(classes[predicted], right)
      } ${percent(confidence, 0)}</span></div>`;
    })}</div>
    </li>
  `;
}

function numbers(
  changed: readonly ChangedExhibit[],
  { gradients }: Stacks,
  classes: readonly string[],
): Html {
  const known = changed.some(({ foreground }) => foreground !== undefined);
  const half = (m: number, i: number) =>
    percent(halfShare(imageAt(gradients[m]!, i).data as Float32Array), 1);
  return table({
    caption: "Verdicts and gradients. Half in: the least share of the pixels that holds half of " +
      "the gradient" + (known ? ". In figure: the gradient's share in the figure" : ""),
    header: [
      ...["Image", "Label", ...MODELS.map(capital)],
      ...MODELS.map((model) => `Half in, ${model}`),
      ...known ? MODELS.map((model) => `In figure, ${model}`) : [],
    ],
    rows: changed.map(({ index, name, label, by, foreground }, i) => [
      name ?? `${index}`,
      classes[label],
      ...MODELS.map((model) =>
        `${classes[by[model].predicted]} ${percent(by[model].confidence, 1)}`
      ),
      ...MODELS.map((_, m) => half(m, i)),
      ...foreground ? MODELS.map((model) => percent(foreground[model], 1)) : [],
    ]),
  });
}

/** The least share of the values that makes half of their sum. */
export function halfShare(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort().reverse();
  const half = sorted.reduce((a, b) => a + b, 0) / 2;
  let sum = 0;
  const enough = sorted.findIndex((value) => (sum += value) >= half);
  return (enough + 1) / sorted.length;
}
