/** What came out of it, in a sentence, and what the sentence rests on. */

import type { DiagnosisFile } from "../../doctor/diagnosis_file.ts";
import { type ExaminedLayer, withoutKernels, withoutKernelsInWords } from "../../doctor/examine.ts";
import { between, CONTROL, pairInWords } from "../../doctor/contrasts.ts";
import {
  BASELINE,
  mainArm,
  outcomesOf,
  type ResultFile,
  type SummaryFile,
} from "../../doctor/result.ts";
import { layerCorrelation } from "../../doctor/studies/correlation.ts";
import { dotPlot } from "../dot_plot.ts";
import { type Html, html } from "../html.ts";
import { figure, figures, paragraph, type Section, table } from "../pieces.ts";
import { capital, count, counted, percent, points, probability, range } from "../text.ts";

/** What is called more than chance explains. */
const SIGNIFICANT = 0.05;

const inPercent = ([low, high]: readonly [number, number]) => [100 * low, 100 * high] as const;

/** The verdict over a difference of accuracies, treated minus control. */
export function verdict(difference: number, p: number | null, over = ""): string {
  const size = `${Math.abs(100 * difference).toFixed(2)} points`;
  if (p === null || p >= SIGNIFICANT) {
    return `The treatment did not change test accuracy by more than chance explains${over}.`;
  }
  return difference > 0
    ? `The treatment raised test accuracy by ${size} over the control${over}.`
    : `The treatment lowered test accuracy by ${size} against the control${over}.`;
}

export function verdictSection(result: ResultFile): Section {
  const { baseline, arms, contrasts } = result;
  const main = mainArm(result);
  const control = arms[CONTROL];
  const { difference, interval, mcnemar } = between(contrasts, main, CONTROL)!;
  const training = control.test.accuracy - baseline.test.accuracy;
  return {
    id: "verdict",
    title: "Verdict",
    content: html`<p class="verdict">${verdict(difference, mcnemar.p)}</p>
${
      paragraph(
        `On the same ${counted(control.test.total, "test image")}, ${CONTROL} is right on `,
        `${percent(control.test.accuracy)} and ${main} on ${percent(arms[main].test.accuracy)}: `,
        `a difference of ${points(difference)} points (95 % interval ${range(interval, points)}). `,
        `${counted(mcnemar.b, "image")} only ${CONTROL} gets right, ${count(mcnemar.c)} only `,
        `${main} (McNemar's exact test, ${probability(mcnemar.p)}).`,
      )
    }
${
      paragraph(
        `Every arm was trained ${result.start === "scratch" ? "anew" : "on"} from the same `,
        `weights, on the same images in the same order; the control without anything else. That `,
        `alone changed accuracy by ${points(training)} points against the baseline. This is one `,
        `seed: another seed may differ.`,
      )
    }
${worstGroup(result)}
${accuracies(result)}`,
  };
}

/** How the images fare that suffer where a network learned the background. */
function worstGroup(result: ResultFile): Html | undefined {
  const { groups, arms } = result;
  const main = mainArm(result);
  const [before, after] = [CONTROL, main].map((arm) => arms[arm].measures.groups);
  const [from, to] = [before, after].map((of) => of?.shares[of.worst]);
  if (!groups || !before || typeof from?.accuracy !== "number" || !to) return undefined;
  return paragraph(
    `In the worst group, ${groups[before.worst]} (${counted(from.images, "image")}), `,
    `${CONTROL} is right on ${percent(from.accuracy)}; ${main}, in its own worst group, on `,
    `${percent(to.accuracy!)}: ${points(to.accuracy! - from.accuracy)} points.`,
  );
}

function accuracies(result: ResultFile) {
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
  const rows = outcomes.map(([model, { validation, test, best_epoch }]) => {
    const versus = between(result.contrasts, model, CONTROL);
    return [
      model,
      validation === undefined ? "" : percent(validation),
      percent(test.accuracy),
      range(test.interval, percent),
      test.loss.toFixed(4),
      versus ? points(versus.difference) : "",
      best_epoch ?? "",
    ];
  });
  const header = ["Model", "Validation", "Test", "95 % interval", "Loss", "Minus control", "Epoch"];
  const numbers = { caption: "Accuracy; the epoch is the one that validation chose", header, rows };
  return [
    figure(
      plot,
      "Each bar is the 95 % interval of one accuracy by itself (Wilson). The models are judged on " +
        "the same images: compare by the interval of the difference above.",
    ),
    table(numbers),
  ];
}

export function seedsVerdict(summary: SummaryFile): Section {
  const { arms, metrics: { accuracy, "worst group": worst }, seeds } = summary;
  const main = mainArm({ arms: Object.fromEntries(arms.map((arm) => [arm, arm])) });
  const difference = between(accuracy.contrasts, main, CONTROL)!;
  const { [CONTROL]: control, [main]: treated } = accuracy.models;
  const inWorst = worst && between(worst.contrasts, main, CONTROL);
  const over = `, over ${counted(seeds.length, "seed")}`;
  const rows = seeds.map((seed, i) => ({
    name: `seed ${seed}`,
    dots: [{ name: `seed ${seed}`, value: 100 * difference.values[i], look: 2 }],
  }));
  const mean = {
    name: "mean",
    dots: [{
      ...{ name: "mean", value: 100 * difference.mean, look: 2 },
      interval: difference.interval && inPercent(difference.interval),
    }],
  };
  const plot = dotPlot({
    title: capital(pairInWords(difference)),
    description: `Difference of test accuracy for each seed; the mean is ` +
      `${points(difference.mean)} points.`,
    ...{ label: "points of test accuracy", rows: [...rows, mean], reference: 0 },
  });
  const models = [BASELINE, ...arms];
  return {
    id: "verdict",
    title: "Verdict",
    content: html`<p class="verdict">${verdict(difference.mean, difference.p, over)}</p>
${
      paragraph(
        `The mean difference is ${points(difference.mean)} points`,
        difference.interval && ` (95 % t interval ${range(difference.interval, points)})`,
        difference.p !== null && `, ${probability(difference.p)}`,
        `. On average ${CONTROL} ${percent(control.mean)}, ${main} ${percent(treated.mean)}.`,
      )
    }
${
      inWorst && paragraph(
        `In the worst group it is ${points(inWorst.mean)} points`,
        inWorst.interval && ` (95 % t interval ${range(inWorst.interval, points)})`,
        `: ${CONTROL} ${percent(worst.models[CONTROL].mean)}, `,
        `${main} ${percent(worst.models[main].mean)}.`,
      )
    }
${
      figures(figure(
        plot,
        "Each seed has its own first weights, order of images, split and augmentation. The bar " +
          "is the 95 % t interval of the mean.",
        table({
          caption: "Test accuracy by seed",
          header: ["Seed", ...models.map(capital), "Minus control"],
          rows: seeds.map((seed, i) => [
            `${seed}`,
            ...models.map((model) => percent(accuracy.models[model].values[i])),
            points(difference.values[i]),
          ]),
        }),
      ))
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
