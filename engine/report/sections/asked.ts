/** What was asked for, in words, and how to ask for it again. */

import { ARMS } from "../../doctor/arms/arms.ts";
import { constraintInWords } from "../../doctor/constraint.ts";
import type { DiagnosisFile } from "../../doctor/diagnosis_file.ts";
import type { ResultFile } from "../../doctor/result.ts";
import { type Content, html } from "../html.ts";
import { facts, paragraph, type Section, table } from "../pieces.ts";
import type { Settings } from "../run.ts";
import { count, counted } from "../text.ts";

type Facts = (readonly [string, Content])[];

const list = (names: readonly string[]) => names.join(", ");

export function askedSection(result: ResultFile, settings: Settings): Section {
  const { images, theta, constraint } = result;
  const { epochs, treatEpochs, lr, treatLr, batch, momentum, weightDecay, weights } = settings;
  const { imagesPerClass, noise, noiseCopies, width = 1 } = settings;
  const { optimizer = "sgd", lrSchedule = "cosine" } = settings;
  const rule = optimizer === "sgd" ? `SGD, momentum ${momentum}` : "Adam";
  const course = lrSchedule === "cosine" ? "a learning rate that falls to 0" : "a constant rate";
  const optimiser = `${rule}, weight decay ${weightDecay}, batch ${batch}, ${course}`;
  const asked: Facts = [
    [
      "Model",
      result.model + (width === 1 ? "" : `, ${width} times as wide`) +
      `, ${count(result.parameters)} parameters`,
    ],
    ["Data", `${result.data}, ${counted(result.classes.length, "class", "classes")}`],
    [
      "Images",
      `${count(images.train)} to train on, ${count(images.validation)} to choose the epoch by, ` +
      `${count(images.test)} to test on, once`,
    ],
    [
      "Baseline",
      weights
        ? `weights from ${weights}`
        : `${counted(Number(epochs), "epoch")} at a learning rate of ${lr}`,
    ],
    [
      "Every arm",
      (result.start === "scratch"
        ? `${counted(Number(treatEpochs), "epoch")} from untrained weights`
        : counted(Number(treatEpochs), "further epoch")) +
      ` at a learning rate of ${treatLr}` +
      (settings.budget === "compute" ? "; more where a step costs less than the dearest" : ""),
    ],
    ["Arms", armsInWords(Object.keys(result.arms))],
    ["Training", optimiser],
    [
      "Diagnosis",
      `${list(constraint.channel.layers)}; up to ${
        counted(Number(imagesPerClass), "image")
      } a class, theta ${theta}` +
      (Number(noise) > 0 ? `; noise ${noise}, ${noiseCopies} copies` : ""),
    ],
    ["Constraint", constraintInWords(constraint, result.weights)],
    ["Seed", seedsOf(settings) ?? `${result.seed}`],
  ];
  return { id: "asked", title: "What was asked", content: facts(asked) };
}

/** What each arm is; of one that is no more, its name alone. */
function armsInWords(names: readonly string[]): Content {
  return names.map((name, i) => {
    const arm = ARMS.find((arm) => arm.name === name);
    return `${i > 0 ? "; " : ""}${name}${arm ? `: ${arm.words}` : ""}`;
  });
}

export function askedDiagnosis(diagnosis: DiagnosisFile, settings: Settings): Section {
  const { model, parameters, data, classes, accuracy, layers, theta } = diagnosis;
  const { weights, imagesPerClass, noise, noiseCopies, seed } = settings;
  const asked: Facts = [
    ["Model", `${model}, ${count(parameters)} parameters`],
    ["Weights", `${weights}`],
    ["Data", `${data}, ${counted(classes.length, "class", "classes")}`],
    ["Images", `${count(accuracy.total)} training images`],
    ["Layers", list(layers)],
    [
      "Diagnosis",
      `up to ${counted(Number(imagesPerClass), "image")} a class, theta ${theta}` +
      (Number(noise) > 0 ? `; noise ${noise}, ${noiseCopies} copies` : ""),
    ],
    ["Seed", `${seed}`],
  ];
  return { id: "asked", title: "What was asked", content: facts(asked) };
}

/** Where there are several. */
function seedsOf({ seed, seeds }: Settings): string | undefined {
  if (!(Number(seeds) > 1)) return undefined;
  return `${seed} to ${Number(seed) + Number(seeds) - 1}`;
}

/** Everything that is needed to do it again. */
export function againSection(
  { command, settings }: { readonly command: string; readonly settings: Settings },
  files: readonly (readonly [name: string, what: string])[],
  adapter: string,
  seconds: Readonly<Record<string, number>> = {},
): Section {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  return {
    id: "again",
    title: "Run it again",
    content: html`${
      paragraph(
        `The same command gives the same bits on the same adapter; other adapters round `,
        `differently. This ran on ${adapter}.`,
      )
    }
<pre><code>${words(command)}</code></pre>
${
      table({
        caption: "What lies beside this report",
        texts: true,
        header: ["File", "What it is"],
        rows: files.map(([name, what]) => [html`<code>${name}</code>`, what]),
      })
    }
${
      Object.keys(seconds).length > 0 && table({
        caption: "Wall-clock seconds by stage",
        header: ["Stage", "Seconds"],
        rows: Object.entries(seconds).map(([stage, value]) => [stage, value.toFixed(1)]),
      })
    }
<details><summary>Every setting</summary>${
      table({
        caption: "Settings, defaults included",
        texts: true,
        header: ["Setting", "Value"],
        rows: given.map(([name, value]) => [name, `${value}`]),
      })
    }</details>`,
  };
}

/** A line breaks between words only, and not at the hyphens in them. */
const words = (command: string): Content =>
  command.split(/(?= --)/).map((word) =>
    html`
      <span>${word.trim()}</span>
    `
  );
