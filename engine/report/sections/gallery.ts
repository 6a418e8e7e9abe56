/** The images that an arm fixed and broke, with where each model looks. */

import type { ChangedExhibit, Exhibits } from "../../doctor/exhibits.ts";
import type { Contrast } from "../../doctor/contrasts.ts";
import { Html, html } from "../html.ts";
import { imageAt, overlay, overlayScale, thumbnail } from "../pictures.ts";
import { behind, image, paragraph, type Section, table } from "../pieces.ts";
import { capital, marked, percent } from "../text.ts";

/** Pixels of a picture on the page. */
const SIDE = 80;

export function gallerySection(
  { file, tensors }: Exhibits,
  classes: readonly string[],
  { arm, against, mcnemar: { b, c } }: Contrast,
): Section | undefined {
  const { models, changed } = file;
  if (!models || !changed) return undefined;
  const gradients = models.map((model) => tensors.get(`gradient.${model}`));
  const stacks = { models, pictures: tensors.get("changed"), gradients };
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
        `Test images on which ${against} and ${arm} disagree. Beside each image, in grey, where the `,
        "logit of its label is most sensitive to a pixel: the gradient's absolute value before ",
        `further training (baseline), and after it (${against}, ${arm}).`,
      )}
      <div
        class="scale"><span>no gradient</span><img src="${overlayScale()}" alt="" height="11"><span>the strongest hundredth of the picture's pixels</span></div>
      ${part(`Fixed: only ${arm} is right`, true, c)}
      ${part(`Broken: only ${against} is right`, false, b)}
      ${changed.length > 0 && behind("Numbers", numbers(changed, stacks, classes))}
    `,
  };
}

type Stack = ReturnType<Exhibits["tensors"]["get"]>;

interface Stacks {
  readonly models: readonly string[];
  readonly pictures: Stack;
  readonly gradients: readonly Stack[];
}

function card(
  { index, name, label, by }: ChangedExhibit,
  place: number,
  { models, pictures, gradients }: Stacks,
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
    ${models.map((model, m) => {
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
  { models, gradients }: Stacks,
  classes: readonly string[],
): Html {
  const known = changed.some(({ foreground }) => foreground !== undefined);
  const half = (m: number, i: number) =>
    percent(halfShare(imageAt(gradients[m]!, i).data as Float32Array), 1);
  return table({
    caption: "Verdicts and gradients. Half in: the least share of the pixels that holds half of " +
      "the gradient" + (known ? ". In figure: the gradient's share in the figure" : ""),
    header: [
      ...["Image", "Label", ...models.map(capital)],
      ...models.map((model) => `Half in, ${model}`),
      ...known ? models.map((model) => `In figure, ${model}`) : [],
    ],
    rows: changed.map(({ index, name, label, by, foreground }, i) => [
      name ?? `${index}`,
      classes[label],
      ...models.map((model) =>
        `${classes[by[model].predicted]} ${percent(by[model].confidence, 1)}`
      ),
      ...models.map((_, m) => half(m, i)),
      ...foreground ? models.map((model) => percent(foreground[model], 1)) : [],
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
