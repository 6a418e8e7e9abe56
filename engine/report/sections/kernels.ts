/** Which kernels each class lives on, layer by layer. */

import { type ExaminedLayer, withoutKernels, withoutKernelsInWords } from "../../doctor/examine.ts";
import { type LayerCorrelation, layerCorrelation } from "../../doctor/studies/correlation.ts";
import { Html, html, raw } from "../html.ts";
import { matrix } from "../pictures.ts";
import { figure, paragraph, type Section, table } from "../pieces.ts";
import { capital, count, counted, percent } from "../text.ts";

/** Most numbers of one table; beyond that, each class's strongest kernels. */
const MOST_CELLS = 6000;
const STRONGEST = 16;

/** Pixels of a row on the page. */
const LINE = 18;

/**
 * @param diagnosed images of each class
 * @param model what was diagnosed, in words
 */
export function kernelsSection(
  layers: readonly ExaminedLayer[],
  classes: readonly string[],
  theta: number,
  diagnosed: readonly number[],
  model: string,
): Section {
  const unknown = withoutKernelsInWords(withoutKernels(classes, diagnosed));
  const found = layers.map((layer) => ({ layer, of: layerCorrelation(layer) }));
  return {
    id: "kernels",
    title: "Classes and kernels",
    content: html`${
      paragraph(
        "How strongly each class's score answers to each convolution kernel: the positive " +
          `gradients, summed over space and over the images that ${model} is surest of, brought ` +
          `to 0 to 1 for each class. What exceeds theta = ${theta} is the class's own (blue).`,
      )
    }
${unknown && paragraph(`${capital(unknown)}, and their rows are empty.`)}
${scale(theta)}
${found.map(({ of }) => heat(of, classes, theta))}
${
      table({
        caption: "How sparse and how specific the classes' kernels are",
        header: [
          ...["Layer", "Kernels", "Own", "Of no class", "Of one class"],
          ...["Overlap of two classes", "By chance"],
        ],
        rows: found.map(({ of }) => [
          of.layer,
          count(of.channels),
          percent(of.own_share, 1),
          count(of.kernels_of[0]),
          count(of.kernels_of[1] ?? 0),
          percent(of.mean_overlap, 1),
          percent(of.chance_overlap, 1),
        ]),
      })
    }`,
  };
}

function scale(theta: number): Html {
  const values = Array.from({ length: 100 }, (_, i) => (i + 0.5) / 100);
  return html`
    <div
      class="scale"><span>0</span>${themed(
        [values],
        theta,
        "",
        'height="11"',
      )}<span>1; grey up to theta = ${theta}, blue above</span></div>
  `;
}

/** A picture for either scheme, of which the page shows one. */
function themed(rows: readonly ArrayLike<number>[], theta: number, alt: string, size: string) {
  const [light, dark] = [matrix(rows, theta, "light"), matrix(rows, theta, "dark")];
  return html`<picture><source media="(prefers-color-scheme: dark)" srcset="${dark}"><img src="${light}" alt="${alt}" ${
    raw(size)
  }></picture>`;
}

function heat(of: LayerCorrelation, classes: readonly string[], theta: number): Html {
  const { layer, channels, responses, order } = of;
  const rows = responses.map((row) => order.map((j) => row[j]));
  const alt = `Heat map of ${counted(classes.length, "class", "classes")} by ${
    counted(channels, "kernel")
  } at ${layer}; on average ${percent(of.own_share, 0)} of the kernels are a class's own.`;
  const size = `style="height:${LINE * rows.length}px;min-width:${channels}px"`;
  const picture = html`
    <div class="heat" style="--line:${LINE}px">
      <ol aria-hidden="true">${classes.map((name) => html`<li title="${name}">${name}</li>`)}</ol>
      <div class="scroll" role="region" aria-label="Heat map of ${layer}"
        tabindex="0">${themed(rows, theta, alt, size)}</div>
    </div>
  `;
  return html`<h3>${layer}</h3>${
    figure(
      picture,
      `${count(channels)} kernels from left to right, by the class that they answer to most; on ` +
        `average ${percent(of.own_share, 1)} of them are a class's own.`,
      channels * classes.length <= MOST_CELLS
        ? everyNumber(of, classes)
        : strongestKernels(of, classes),
    )
  }`;
}

const everyNumber = (
  { layer, order, responses, own }: LayerCorrelation,
  classes: readonly string[],
) =>
  table({
    caption: `Responses at ${layer}, in the order of the picture`,
    header: ["Kernel", ...classes],
    rows: [
      ["own kernels", ...own.map(String)],
      ...order.map((j) => [`${j}`, ...responses.map((row) => row[j].toFixed(2))]),
    ],
  });

const strongestKernels = (
  { layer, responses, own, channels }: LayerCorrelation,
  classes: readonly string[],
) =>
  table({
    caption: `The strongest kernels of each class at ${layer}, with their responses; all of them ` +
      `are in aggregate.${layer}.npy`,
    header: ["Class", "Own kernels", ...Array.from({ length: STRONGEST }, (_, i) => i + 1)],
    rows: classes.map((name, k) => {
      const order = Array.from({ length: channels }, (_, j) => j)
        .sort((a, b) => responses[k][b] - responses[k][a]).slice(0, STRONGEST);
      return [name, own[k], ...order.map((j) => `${j}: ${responses[k][j].toFixed(2)}`)];
    }),
  });
