/** What came out of it, in a sentence, and what the sentence rests on. */

import type { Difference } from "../../doctor/bootstrap.ts";
import type { DiagnosisFile } from "../../doctor/diagnosis_file.ts";
import { type ExaminedLayer, withoutKernels, withoutKernelsInWords } from "../../doctor/examine.ts";
import { between, CONTROL, type Pair, pairInWords } from "../../doctor/contrasts.ts";
import {
  BASELINE,
  costOf,
  outcomesOf,
  type ResultFile,
  type SummaryFile,
} from "../../doctor/result.ts";
import type { Interval } from "../../doctor/significance.ts";
import { layerCorrelation } from "../../doctor/studies/correlation.ts";
import { MAIN_MEASURES } from "../../doctor/verdict.ts";
import { probability } from "../../doctor/words.ts";
import { dotPlot } from "../dot_plot.ts";
import { type Html, html } from "../html.ts";
import { figure, figures, paragraph, type Section, table } from "../pieces.ts";
import { capital, count, counted, inPoints, percent, points, range } from "../text.ts";

const inPercent = ([low, high]: Interval) => [100 * low, 100 * high] as const;

/** What came out of it, the first sentence largest. */
const sentences = ([first, ...others]: readonly string[]): Html =>
  html`<p class="verdict">${first}</p>${paragraph(others.join(" "))}`;

export function verdictSection(result: ResultFile): Section {
  const { baseline, arms, contrasts, verdict } = result;
  const control = arms[CONTROL];
  const training = control.test.accuracy - baseline.test.accuracy;
  const [{ arm, mcnemar }] = contrasts;
  return {
    id: "verdict",
    title: "Verdict",
    content: html`${sentences(verdict)}
${
      paragraph(
        `Every arm was trained ${result.start === "scratch" ? "anew" : "on"} from the same `,
        `weights, on the same images in the same order; the control without anything else. That `,
        `alone changed accuracy by ${points(training)} points against the baseline. Of the same `,
        `${counted(control.test.total, "test image")}, ${count(mcnemar.b)} only ${CONTROL} gets `,
        `right, ${count(mcnemar.c)} only ${arm} (McNemar's exact test, `,
        `${probability(mcnemar.p)}).`,
      )
    }
${
      figures(
        forest(
          Object.keys(outcomesOf(result)),
          contrasts.map((of) => ({ ...of, numbers: of })),
          "Bars are 95 % intervals on the same test images.",
        ),
        accuracies(result),
      )
    }
${contrastTable(contrasts, (of, name) => name === "accuracy" ? of : of.measures[name])}
${worstGroup(result)}
${models(result)}`,
  };
}

/**
 * How far arms are apart in accuracy, as a picture.
 * @param models in the order of their colours
 */
function forest(
  models: readonly string[],
  contrasts: readonly (Pair & { readonly numbers: Difference })[],
  means: string,
): Html {
  const named = contrasts.map((of) => ({ ...of, name: pairInWords(of) }));
  const plot = dotPlot({
    title: "What each arm adds",
    description: named.map(({ name, numbers }) => `${name} ${points(numbers.difference)}`)
      .join(", ") + " points of test accuracy.",
    label: "points of test accuracy",
    reference: 0,
    rows: named.map(({ arm, name, numbers: { difference, interval } }) => {
      const bar = interval && inPercent(interval);
      const look = models.indexOf(arm);
      return { name, dots: [{ name, value: 100 * difference, interval: bar, look }] };
    }),
  });
  return figure(
    plot,
    `${means} What the treated model gains over a placebo, its masks and kernels add.`,
  );
}

/** How far arms are apart in accuracy and every other main measure. */
function contrastTable<P extends Pair & { readonly holm: number | null }>(
  contrasts: readonly P[],
  differenceOf: (of: P, name: string) => Difference | undefined,
): Html {
  const names = MAIN_MEASURES.filter((name) => differenceOf(contrasts[0], name));
  const cell = (of: Difference | undefined) => of ? inPoints(of.difference, of.interval) : "";
  return table({
    caption: "Differences in points, with 95 % intervals; p is of accuracy, with all arms that " +
      "are held against the same judged together (Holm)",
    header: ["Arms", "Accuracy", "p", ...names.map(capital)],
    rows: contrasts.map((of) => [
      capital(pairInWords(of)),
      cell(differenceOf(of, "accuracy")),
      of.holm?.toPrecision(2),
      ...names.map((name) => cell(differenceOf(of, name))),
    ]),
  });
}

/** How the images fare that suffer where a network learned the background. */
function worstGroup({ groups, arms }: ResultFile): Html | undefined {
  const { groups: of } = arms[CONTROL].measures;
  const share = of?.shares[of.worst];
  if (!groups || !of || typeof share?.accuracy !== "number") return undefined;
  return paragraph(
    `The control's worst group is ${groups[of.worst]} (${counted(share.images, "image")}), where `,
    `it is right on ${percent(share.accuracy)}; every model's worst is its own.`,
  );
}

function accuracies(result: ResultFile): Html {
  const outcomes = Object.entries(outcomesOf(result));
  const plot = dotPlot({
    title: "Test accuracy",
    description: outcomes.map(([model, { test }]) => `${model} ${percent(test.accuracy)}`)
      .join(", ") + ", with 95 % intervals.",
    label: "percent",
    rows: outcomes.map(([model, { test: { accuracy, interval } }], look) => {
      const dot = { name: model, value: 100 * accuracy, interval: inPercent(interval), look };
      return { name: model, dots: [dot] };
    }),
  });
  return figure(
    plot,
    "Each bar is the 95 % interval of one accuracy by itself (Wilson). The models are judged on " +
      "the same images: compare by the intervals of the differences.",
  );
}

function models(result: ResultFile): Html {
  return table({
    caption: "Accuracy; the epoch is the one that validation chose, a step's time is beside the " +
      "control's",
    header: ["Model", "Validation", "Test", "95 % interval", "Loss", "Epoch", "Step"],
    rows: Object.entries(outcomesOf(result)).map(([model, { validation, test, best_epoch }]) => [
      model,
      validation === undefined ? "" : percent(validation),
      percent(test.accuracy),
      range(test.interval, percent),
      test.loss.toFixed(4),
      best_epoch ?? "",
      model === BASELINE ? "" : `${costOf(result, model).toFixed(1)} ×`,
    ]),
  });
}

export function seedsVerdict(summary: SummaryFile): Section {
  const { arms, metrics, seeds, verdict } = summary;
  const { accuracy } = metrics;
  const models = [BASELINE, ...arms];
  return {
    id: "verdict",
    title: "Verdict",
    content: html`${sentences(verdict)}
${
      figures(forest(
        models,
        accuracy.contrasts.map(({ arm, against, mean: difference, interval }) => ({
          ...{ arm, against, numbers: { difference, interval } },
        })),
        "Each seed has its own first weights, order of images, split and augmentation. Bars are " +
          "95 % t intervals of the mean.",
      ))
    }
${
      contrastTable(accuracy.contrasts, ({ arm, against }, name) => {
        const of = metrics[name] && between(metrics[name].contrasts, arm, against);
        return of && { difference: of.mean, interval: of.interval };
      })
    }
${
      table({
        caption: "Test accuracy by seed",
        header: ["Seed", ...models.map(capital)],
        rows: seeds.map((seed, i) => [
          `${seed}`,
          ...models.map((model) => percent(accuracy.models[model].values[i])),
        ]),
      })
    }`,
  };
}

export function diagnosisVerdict(of: DiagnosisFile, layers: readonly ExaminedLayer[]): Section {
  const { classes, accuracy, theta, diagnosed, measures } = of;
  const found = layers.map(layerCorrelation);
  const own = found.map(({ layer, channels, own_share }) =>
    `${(own_share * channels).toFixed(1)} of ${counted(channels, "kernel")} at ${layer}`
  );
  const [most] = measures.confusion.flatMap((row, i) =>
    row.map((n, j) => ({ n: i === j ? 0 : n, i, j }))
  ).sort((a, b) => b.n - a.n);
  const unknown = withoutKernelsInWords(withoutKernels(classes, diagnosed));
  return {
    id: "verdict",
    title: "Verdict",
    content: html`<p class="verdict">At theta = ${theta}, a class lives on ${
      own.length > 3
        ? `${percent(mean(found.map((of) => of.own_share)), 1)} of the kernels`
        : own.join(", ")
    } on average.</p>
${
      paragraph(
        `The model is right on ${percent(accuracy.accuracy)} of these `,
        `${counted(accuracy.total, "image")} (95 % interval ${range(accuracy.interval, percent)}).`,
        most.n > 0 && ` It takes ${classes[most.i]} for ${classes[most.j]} most often, ` +
            `${counted(most.n, "time")}.`,
        unknown && ` ${capital(unknown)}.`,
      )
    }`,
  };
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
