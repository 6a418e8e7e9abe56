/** A certificate as a page for a person: the verdict, the machine, and what each part found. */

import {
  type Certificate,
  type Part,
  type PartOf,
  partsOf,
  verdictOf,
} from "../certify/certificate.ts";
import { summaryOf } from "../certify/summary.ts";
import { showBytes } from "../plan/buffers.ts";
import { type Content, html } from "./html.ts";
import { page } from "./page.ts";
import { behind, facts, paragraph, type Section, table } from "./pieces.ts";
import { count, decimal, percent } from "./text.ts";

/** The whole HTML file. */
export function certificatePage(certificate: Certificate): string {
  const { subject } = certificate;
  const sections = [
    verdict(certificate),
    machine(certificate),
    steps(partsOf(certificate, "steps")),
    prediction(partsOf(certificate, "steps")),
    faces(partsOf(certificate, "faces")),
    pytorch(partsOf(certificate, "pytorch")),
    treat(partsOf(certificate, "treat")),
    tuning(partsOf(certificate, "tune")),
    operations(partsOf(certificate, "operations")),
  ];
  return page({
    title: `Certificate of ${subject.adapter}`,
    subtitle: `${subject.program}, driver ${subject.driver || "unknown"}, Deno ${subject.deno}`,
    sections: sections.filter((section) => section !== undefined),
  });
}

const list = (of: readonly Content[]) => html`<ul>${of.map((item) => html`<li>${item}</li>`)}</ul>`;

function verdict(certificate: Certificate): Section {
  const { line, wrong, remarkable } = verdictOf(certificate);
  const { parts, skipped } = certificate;
  return {
    id: "verdict",
    title: "Verdict",
    content: html`
      <p><strong>${line}</strong></p>
      ${wrong.length > 0 && list(wrong)}
      ${remarkable.length > 0 &&
        html`<p>Nothing is wrong with these, but they want a look:</p>${list(remarkable)}`}
      ${parts.length > 0 && table({
        caption: "What each part found",
        header: ["part", "seconds", "found"],
        rows: parts.map((part: Part) => [part.name, decimal(part.seconds, 1), summaryOf(part)]),
        texts: true,
      })}
      ${skipped.length > 0 &&
        html`<p>Left out:</p>${list(skipped.map(({ name, why }) => `${name}: ${why}`))}`}
    `,
  };
}

function machine({ subject, machine }: Certificate): Section {
  const { system, clocks, facts: told, features, limits } = machine;
  return {
    id: "machine",
    title: "Machine",
    content: html`
      ${facts([
        ["Adapter", `${subject.adapter}, ${subject.vendor}`],
        ["Driver", subject.driver || "unknown"],
        ...Object.entries(told),
        ["Clocks", clocks ?? "not told"],
        ["System", system],
        ["Images of a step", `${subject.batch}`],
        ["Width of the networks", `${subject.width}`],
      ])}
      ${behind(
        "Features and limits",
        paragraph(features.join(", ") || "no features"),
        table({
          caption: "Limits of the adapter",
          header: ["limit", "value"],
          rows: Object.entries(limits).map(([name, value]) => [name, count(value)]),
        }),
      )}
    `,
  };
}

function operations(parts: readonly PartOf<"operations">[]): Section | undefined {
  const checks = parts.flatMap(({ checks }) => checks);
  if (checks.length === 0) return undefined;
  return {
    id: "operations",
    title: "Operations against float64",
    content: html`
      ${paragraph(
        "Relative L2 errors of values, gradients and gradients of gradients; and of the largest, " +
          "the share of what rounding every operation to float32 explains.",
      )}
      ${table({
        caption: "Errors of operations and kernels",
        header: [
          ...["expression", "of", "kernels", "value", "first", "second"],
          ...["of allowed", "same bits"],
        ],
        rows: checks.map(({ expression, shapes, target, errors, ofAllowed, sameBits }) => [
          ...[expression, shapes.join(", "), target],
          ...errors.map((error) => error.toExponential(1)),
          ...[percent(ofAllowed, 1), sameBits ? "yes" : "no"],
        ]),
      })}
    `,
  };
}

function steps(parts: readonly PartOf<"steps">[]): Section | undefined {
  if (parts.length === 0) return undefined;
  return {
    id: "steps",
    title: "Steps",
    content: table({
      caption: `Steps on ${parts[0].batch} images of 32 x 32`,
      header: [
        ...["model", "step", "ms", "first, ms", "images/s", "predicted, ms", "of predicted"],
        ...["host, ms", "dispatches", "memory"],
      ],
      rows: parts.flatMap(({ model, stages }) =>
        stages.map((of) => [
          ...[model, of.stage, decimal(of.ms, 2), decimal(of.firstMs, 0)],
          ...[count(Math.round(of.imagesPerSecond)), decimal(of.predictedMs, 2)],
          ...[percent(of.ms / of.predictedMs, 0), decimal(of.hostMs, 2)],
          ...[count(of.dispatches), showBytes(of.memory)],
        ])
      ),
    }),
  };
}

function prediction(parts: readonly PartOf<"steps">[]): Section | undefined {
  if (parts.length === 0) return undefined;
  return {
    id: "prediction",
    title: "Predicted and measured",
    content: html`
      ${paragraph(
        "What each kind of kernel should take by its operations, its bytes and the adapter's own " +
          "figures, and what it took with every kernel timed by itself (which adds some " +
          "microseconds to each).",
      )}
      ${table({
        caption: "Kinds of kernels, predicted and measured",
        header: ["step", "kernels", "dispatches", "GFLOP", "GB", "predicted, ms", "measured, ms"],
        rows: parts.flatMap(({ model, stages }) =>
          stages.flatMap(({ stage, shares }) =>
            shares.map((of) => [
              ...[`${model}, ${stage}`, of.kind, count(of.dispatches), decimal(of.gflop, 2)],
              ...[decimal(of.gb, 3), decimal(of.predictedMs, 3), decimal(of.measuredMs, 3)],
            ])
          )
        ),
      })}
    `,
  };
}

function faces(parts: readonly PartOf<"faces">[]): Section | undefined {
  if (parts.length === 0) return undefined;
  const rows = parts.flatMap(({ faces }) => faces);
  return {
    id: "faces",
    title: "Faces of convolutions",
    content: table({
      caption: "Faces against the roofline",
      header: ["face", "class", "ms", "GFLOP/s", "of peak", "of achievable", "error", "direct"],
      rows: rows.map((of) => [
        ...[of.name, of.class, decimal(of.ms, 3), count(Math.round(of.gflops))],
        ...[percent(of.ofPeak, 1), percent(of.ofAchievable, 1), of.error.toExponential(1)],
        of.gain === undefined ? "" : `${decimal(of.gain, 2)} x`,
      ]),
    }),
  };
}

function treat(parts: readonly PartOf<"treat">[]): Section | undefined {
  if (parts.length === 0) return undefined;
  const [{ losses, flags, stages, epochs }] = parts;
  return {
    id: "treat",
    title: "Treatment",
    content: html`
      ${table({
        caption: "Losses of the first steps with the constraint, here and in float64",
        header: ["step", "here", "float64", "apart"],
        rows: losses.map(({ here, float64 }, k) => [
          ...[`${k + 1}`, here.toPrecision(8), float64.toPrecision(8)],
          Math.abs(here / float64 - 1).toExponential(1),
        ]),
      })}
      ${paragraph(`The whole of deno task treat ${flags.join(" ")}:`)}
      ${table({
        caption: "Seconds by stage",
        header: ["stage", "seconds"],
        rows: Object.entries(stages).map(([name, seconds]) => [name, decimal(seconds, 2)]),
      })}
      ${table({
        caption: "Losses by epoch",
        header: ["stage", "epoch", "loss"],
        rows: epochs.map(({ stage, epoch, loss }) => [stage, `${epoch}`, decimal(loss, 4)]),
      })}
    `,
  };
}

function tuning(parts: readonly PartOf<"tune">[]): Section | undefined {
  if (parts.length === 0) return undefined;
  const [{ model, classes }] = parts;
  return {
    id: "tuning",
    title: "Tuning",
    content: table({
      caption: `Kernels of ${model}'s training step, tuned`,
      header: ["kernel", "calls", "untuned", "ms", "fastest", "ms", "gain"],
      rows: classes.map((of) => [
        ...[of.label, count(of.calls), of.untuned, decimal(of.untunedMs, 3)],
        ...[of.variant, decimal(of.ms, 3), `${decimal(of.untunedMs / of.ms, 2)} x`],
      ]),
    }),
  };
}

function pytorch(parts: readonly PartOf<"pytorch">[]): Section | undefined {
  if (parts.length === 0) return undefined;
  const [{ adapter, pairs }] = parts;
  return {
    id: "pytorch",
    title: "Beside PyTorch",
    content: table({
      caption: `The same work by PyTorch on ${adapter}`,
      header: ["work", "group", "ours, ms", "theirs, ms", "times ours", "engine"],
      rows: pairs.map(({ group, name, engine, ms, theirMs }) => [
        ...[name, group, decimal(ms, 3), decimal(theirMs, 3)],
        ...[`${decimal(theirMs / ms, 2)} x`, engine],
      ]),
    }),
  };
}
