/** A run's report: sections in the order in which a reader asks. */

import { between, CONTROL } from "../doctor/contrasts.ts";
import { mainArm } from "../doctor/result.ts";
import { html } from "./html.ts";
import { page } from "./page.ts";
import type { Section } from "./pieces.ts";
import type { DiagnosisRun, Run, SeedsRun, TreatmentRun } from "./run.ts";
import { againSection, askedDiagnosis, askedSection } from "./sections/asked.ts";
import { classesSection, diagnosedClasses } from "./sections/classes.ts";
import { dataSection } from "./sections/data.ts";
import { doubtsSection } from "./sections/doubts.ts";
import { findingsSection, seedsFindings } from "./sections/findings.ts";
import { gallerySection } from "./sections/gallery.ts";
import { kernelsSection } from "./sections/kernels.ts";
import { measuresSection, summarySection } from "./sections/measures.ts";
import { seedsSection } from "./sections/seeds.ts";
import { studiesSection } from "./sections/studies.ts";
import { trainingSection } from "./sections/training.ts";
import { diagnosisVerdict, seedsVerdict, verdictSection } from "./sections/verdict.ts";

/** The whole HTML file. */
export function report(run: Run): string {
  switch (run.kind) {
    case "treatment":
      return treatment(run);
    case "diagnosis":
      return diagnosis(run);
    case "seeds":
      return seeds(run);
  }
}

const present = (sections: readonly (Section | undefined)[]) =>
  sections.filter((section) => section !== undefined);

const MATRICES = [
  ["findings.json", "what was found to be wrong, with every suspected label"],
  ["aggregate.LAYER.npy", "aggregated gradients of a layer [classes, kernels]"],
  ["mask.LAYER.npy", "the kernels that are each class's own, 0 or 1"],
  ["sift.json", "the images by which classes were diagnosed, and those of low confidence"],
  ["exhibits.json, exhibits.safetensors", "the images and gradients that are shown here"],
] as const;

function treatment(run: TreatmentRun): string {
  const { result, settings, layers, exhibits, findings, studies } = run;
  const { model, data, classes, theta, seed } = result;
  const names = Object.keys(result.arms);
  return page({
    title: `${model} on ${data}: diagnosed and treated`,
    subtitle: html`A Model Doctor report. Baseline, and trained on from it: ${
      names.join(", ")
    }; seed ${seed}.`,
    sections: present([
      findings && findingsSection(findings, "the baseline"),
      verdictSection(result),
      askedSection(result, settings),
      dataSection(run.account),
      trainingSection(run),
      kernelsSection(layers, classes, theta, run.diagnosed, "the baseline"),
      classesSection(result),
      gallerySection(exhibits, classes, between(result.contrasts, mainArm(result), CONTROL)!),
      doubtsSection(exhibits, classes, "the baseline"),
      measuresSection(result),
      studiesSection(studies),
      againSection(
        run,
        [
          ["config.json", "the settings"],
          ["result.json", "every number of the comparison"],
          ["predictions.json", "what each model predicts for each test image"],
          ["metrics.jsonl", "the training, an epoch a line"],
          ["tensorboard/", "the same for TensorBoard"],
          [`${["baseline", ...names].join(", ")}.safetensors`, "weights, by PyTorch's names"],
          ...MATRICES,
        ],
        result.adapter,
        result.seconds,
      ),
    ]),
  });
}

function diagnosis(run: DiagnosisRun): string {
  const { diagnosis: of, settings, layers, exhibits, findings, studies } = run;
  return page({
    title: `${of.model} on ${of.data}: diagnosed`,
    subtitle: "A Model Doctor report: the convolution kernels that each class lives on.",
    sections: present([
      findings && findingsSection(findings, "the model"),
      diagnosisVerdict(of, layers),
      askedDiagnosis(of, settings),
      dataSection(run.account),
      kernelsSection(layers, of.classes, of.theta, run.diagnosed, "the model"),
      diagnosedClasses(of.measures, of.classes),
      doubtsSection(exhibits, of.classes, "the model"),
      studiesSection(studies),
      againSection(
        run,
        [
          ["config.json", "the settings"],
          ["diagnosis.json", "every number of the diagnosis"],
          ...MATRICES,
        ],
        of.adapter,
      ),
    ]),
  });
}

function seeds(run: SeedsRun): string {
  const { summary, parts, settings, studies } = run;
  const [{ result }] = parts;
  return page({
    title: `${result.model} on ${result.data}: treated over ${summary.seeds.length} seeds`,
    subtitle: `A Model Doctor report: baseline, and trained on from it: ${
      summary.arms.join(", ")
    }.`,
    sections: present([
      seedsFindings(parts),
      seedsVerdict(summary),
      askedSection(result, settings),
      dataSection(run.account),
      summarySection(summary),
      seedsSection(parts),
      studiesSection(studies),
      againSection(
        run,
        [
          ["config.json", "the settings"],
          ["summary.json", "every measure over the seeds"],
          ["seed-N/", "the run of each seed, with a report of its own"],
        ],
        result.adapter,
      ),
    ]),
  });
}
