/** What the treatment changed class by class, and which classes are mixed up less or more. */

import type { ClassMeasures } from "../../doctor/class_measures.ts";
import { CONTROL } from "../../doctor/contrasts.ts";
import { mainArm, outcomesOf, type ResultFile } from "../../doctor/result.ts";
import { dotPlot } from "../dot_plot.ts";
import { type Content, Html, html } from "../html.ts";
import { behind, figure, figures, paragraph, type Section, table } from "../pieces.ts";
import { capital, count, percent, points, range, signed } from "../text.ts";

/** Classes that are shown at most: those with the largest change. */
const MOST_ROWS = 20;
/** Classes up to which a matrix of all of them can be read. */
const MOST_COLUMNS = 20;

export function classesSection(result: ResultFile): Section {
  return {
    id: "classes",
    title: "Class by class",
    content: html`${figures(accuracies(result), groups(result))}
<h3>Confusion</h3>
${confusionChange(result)}`,
  };
}

function accuracies(result: ResultFile): Html {
  const { classes, arms } = result;
  const main = mainArm(result);
  const outcomes = outcomesOf(result);
  const models = Object.keys(outcomes);
  const [control, treated] = [CONTROL, main].map((arm) => arms[arm].measures.classes);
  const compared = [CONTROL, main].map((name) => ({ name, look: models.indexOf(name) }));
  const change = (k: number) => (treated[k].accuracy ?? 0) - (control[k].accuracy ?? 0);
  const known = classes.flatMap((_, k) => treated[k].accuracy === null ? [] : [k]);
  const shown = known.length <= MOST_ROWS
    ? known
    : known.sort((a, b) => Math.abs(change(b)) - Math.abs(change(a))).slice(0, MOST_ROWS);
  const [least] = [...shown].sort((a, b) => change(a) - change(b));
  const most = [...shown].sort((a, b) => change(b) - change(a))[0];
  const plot = dotPlot({
    title: "Accuracy by class",
    description: most === undefined
      ? "There is no test image."
      : `${capital(CONTROL)} and ${main}; the largest gain is ${classes[most]}'s, ` +
        `${points(change(most))} points, the largest loss ${classes[least]}'s, ` +
        `${points(change(least))}.`,
    label: "percent",
    rows: shown.map((k) => ({
      name: classes[k],
      dots: compared.map((dot) => {
        const { accuracy, interval } = arms[dot.name].measures.classes[k];
        const bar = interval && [100 * interval[0], 100 * interval[1]] as const;
        return { ...dot, value: 100 * accuracy!, interval: bar };
      }),
    })),
    legend: compared,
  });
  const cell = (accuracy: number | null) => accuracy === null ? "" : percent(accuracy, 1);
  return figure(
    plot,
    "Bars are 95 % intervals." +
      (known.length > shown.length ? ` The ${MOST_ROWS} classes that changed most.` : ""),
    table({
      caption: "Test accuracy by class",
      header: [
        ...["Class", "Images", ...models.map(capital)],
        ...[`${capital(main)} minus control`, `95 % interval, ${main}`],
      ],
      rows: classes.map((name, k) => [
        name,
        count(treated[k].images),
        ...models.map((model) => cell(outcomes[model].measures.classes[k].accuracy)),
        treated[k].accuracy === null ? "" : points(change(k)),
        treated[k].interval ? range(treated[k].interval, (share) => percent(share, 1)) : "",
      ]),
    }),
  );
}

/** Where the images belong to groups, such as by their background. */
function groups(result: ResultFile): Html | undefined {
  const { groups: names } = result;
  if (!names) return undefined;
  const outcomes = outcomesOf(result);
  const models = Object.keys(outcomes);
  const of = models.map((model) => outcomes[model].measures.groups!);
  const main = mainArm(result);
  const { worst } = outcomes[main].measures.groups!;
  const plot = dotPlot({
    title: "Accuracy by group",
    description: `The worst group of ${main} is ${names[worst]}.`,
    label: "percent",
    rows: names.map((name, g) => ({
      name,
      dots: models.flatMap((model, look) => {
        const { accuracy, interval } = of[look].shares[g];
        if (accuracy === null || !interval) return [];
        const bar = [100 * interval[0], 100 * interval[1]] as const;
        return [{ name: model, value: 100 * accuracy, interval: bar, look }];
      }),
    })),
    legend: models.map((name, look) => ({ name, look })),
  });
  return figure(
    plot,
    "A network that learned the background is worse where the background is another.",
    table({
      caption: "Test accuracy by group",
      header: ["Group", "Images", ...models.map(capital)],
      rows: names.map((name, g) => [
        name,
        count(of[0].shares[g].images),
        ...of.map(({ shares }) => shares[g].accuracy === null ? "" : percent(shares[g].accuracy)),
      ]),
    }),
  );
}

function confusionChange(result: ResultFile): Html {
  const { classes, arms } = result;
  const main = mainArm(result);
  const [before, after] = [CONTROL, main].map((arm) => arms[arm].measures.confusion);
  const change = after.map((row, i) => row.map((n, j) => n - before[i][j]));
  const explained = paragraph(
    `Numbers of test images, ${main} minus control: a row for each label, a column for each ` +
      "prediction. On the diagonal more is better, elsewhere less is: ",
    html`<span class="key better"></span> better, <span class="key worse"></span> worse.`,
  );
  if (classes.length > MOST_COLUMNS) {
    return html`${explained}${largestChanges(change, before, after, classes, main)}`;
  }
  const most = Math.max(1, ...change.flat().map(Math.abs));
  const cell = (n: number, i: number, j: number) => {
    const kind = n === 0 ? "same" : (n > 0) === (i === j) ? "better" : "worse";
    const depth = Math.round(12 + 48 * Math.abs(n) / most);
    const title = `${classes[i]} taken for ${classes[j]}: control ${before[i][j]}, ${main} ${
      after[i][j]
    }`;
    return html`<td class="${kind}" style="--depth:${n === 0 ? 0 : depth}%" title="${title}">${
      signed(n, 0)
    }</td>`;
  };
  return html`${explained}${grid(classes, `Confusion, ${main} minus control`, change, cell)}
${
    behind(
      "Numbers of every model",
      Object.entries(outcomesOf(result)).map(([model, { measures }]) =>
        matrix(measures, classes, model)
      ),
    )
  }`;
}

const matrix = ({ confusion }: ClassMeasures, classes: readonly string[], model: string): Html =>
  grid(classes, `Confusion of the ${model} model`, confusion, (n) => html`<td>${n}</td>`);

function grid(
  classes: readonly string[],
  caption: string,
  values: readonly (readonly number[])[],
  cell: (n: number, i: number, j: number) => Content,
): Html {
  return html`
    <div class="scroll" role="region" aria-label="${caption}" tabindex="0">
      <table class="confusion">
        <caption>${caption}; rows are labels, columns predictions</caption>
        <thead>
          <tr><td></td>${classes.map((name) =>
            html`<th scope="col"><span>${name}</span></th>`
          )}</tr>
        </thead>
        <tbody>${values.map((row, i) =>
          html`
            <tr><th scope="row">${classes[i]}</th>${row.map((n, j) => cell(n, i, j))}</tr>
          `
        )}</tbody>
      </table>
    </div>
  `;
}

function largestChanges(
  change: readonly (readonly number[])[],
  before: ClassMeasures["confusion"],
  after: ClassMeasures["confusion"],
  classes: readonly string[],
  main: string,
): Html {
  const pairs = change.flatMap((row, i) => row.map((n, j) => ({ n, i, j })))
    .filter(({ n, i, j }) => n !== 0 && i !== j)
    .sort((a, b) => Math.abs(b.n) - Math.abs(a.n)).slice(0, MOST_ROWS);
  return table({
    caption: "The confusions that changed most",
    header: ["Label", "Taken for", "Control", capital(main), "Change"],
    rows: pairs.map(({ n, i, j }) => [
      ...[classes[i], classes[j], before[i][j], after[i][j], signed(n, 0)],
    ]),
  });
}

/** One model's accuracy by class and its confusions, for a diagnosis. */
export function diagnosedClasses(measures: ClassMeasures, classes: readonly string[]): Section {
  const rows = classes.flatMap((name, k) => {
    const { accuracy, interval } = measures.classes[k];
    if (accuracy === null || !interval) return [];
    const bar = [100 * interval[0], 100 * interval[1]] as const;
    return [{ name, dots: [{ name, value: 100 * accuracy, interval: bar, look: 0 }] }];
  });
  const sorted = [...rows].sort((a, b) => a.dots[0].value - b.dots[0].value);
  const plot = dotPlot({
    title: "Accuracy by class",
    description: `The lowest is ${sorted[0]?.name}'s, ${sorted[0]?.dots[0].value.toFixed(1)} %.`,
    label: "percent",
    rows: sorted.slice(0, MOST_ROWS),
  });
  return {
    id: "classes",
    title: "Class by class",
    content: html`${
      figures(figure(
        plot,
        "The worst first; bars are 95 % intervals.",
        table({
          caption: "Accuracy by class",
          header: ["Class", "Images", "Accuracy"],
          rows: classes.map((name, k) => {
            const { images, accuracy } = measures.classes[k];
            return [name, count(images), accuracy === null ? "" : percent(accuracy, 1)];
          }),
        }),
      ))
    }
${classes.length <= MOST_COLUMNS && matrix(measures, classes, "diagnosed")}`,
  };
}
