/** Reports as pages: what stands in them, escaped, and of bounded size. */

import assert from "node:assert/strict";
import { classMeasures, classScalars, type Times } from "../engine/doctor/class_measures.ts";
import { contrastsOf } from "../engine/doctor/contrasts.ts";
import type { Outcome, ResultFile } from "../engine/doctor/result.ts";
import { summarizeSeeds } from "../engine/doctor/result.ts";
import { wilson } from "../engine/doctor/significance.ts";
import { html } from "../engine/report/html.ts";
import { matrix, overlay, thumbnail } from "../engine/report/pictures.ts";
import { report } from "../engine/report/report.ts";
import type { DiagnosisRun, Run, SeedsRun, TreatmentRun } from "../engine/report/run.ts";
import { halfShare } from "../engine/report/sections/gallery.ts";
import { evidenceOfImages, verdictOf } from "../engine/doctor/verdict.ts";
import { correlationMask } from "../engine/doctor/diagnose.ts";
import { decodePixels } from "../engine/io/image.ts";
import { accuracy } from "../engine/train/predictions.ts";
import { constraintOf } from "./support/constraint.ts";
import { tags } from "./support/markup.ts";

// A run that is made up.

const EVIL = `<script>alert("x")</script> & 'y'`;
const IMAGES = 40;

function classesOf(count: number): string[] {
  return Array.from({ length: count }, (_, k) => k === 0 ? EVIL : `class ${k}`);
}

function resultOf(count: number, seed = 0): ResultFile {
  const labels = Array.from({ length: IMAGES }, (_, i) => i % count);
  const predicted = (wrong: number) =>
    labels.map((label, i) => ({
      ...{ label, predicted: (i * 7 + seed) % wrong === 0 ? (label + 1) % count : label },
      ...{ confidence: 0.5 + i / 100, loss: 0.3 },
    }));
  const arms = { control: predicted(4), treated: predicted(9), placebo: predicted(7) };
  const by: Record<string, ReturnType<typeof predicted>> = { baseline: predicted(3), ...arms };
  const groups = {
    names: ["own & background", "another"],
    of: Uint16Array.from(labels, (_, i) => i % 2),
  };
  const measured = (model: string, times?: Times) => classMeasures(by[model], count, groups, times);
  const outcome = (model: string): Outcome => {
    const test = accuracy(by[model]);
    return {
      test: { ...test, interval: wilson(test.correct, test.total) },
      ...{ validation: 0.9, best_epoch: 1 },
      steps: 12,
      measures: {
        ...measured(model),
        probes: {
          fgsm: [{ strength: 0, accuracy: 0.9 }, { strength: 2, accuracy: 0.5 }],
          noise: { layer: "features", unit: 1, points: [{ strength: 0, accuracy: 0.9 }] },
        },
      },
    };
  };
  const right = (model: string) => by[model].map((p) => p.label === p.predicted);
  const contrasts = contrastsOf(
    Object.keys(arms),
    right,
    (model, times) => classScalars(measured(model, times)),
    seed,
  );
  const constraint = constraintOf({
    ...{ beta: 0.5, layers: ["features"], schedule: { warmup: 1, course: "cosine" } },
    space: { form: "share" },
  });
  return {
    ...{ version: 3, model: "small", data: EVIL, classes: classesOf(count), seed },
    ...{ adapter: "none", parameters: 1234, start: "baseline", theta: 0.2 },
    constraint,
    images: { train: 100, validation: 10, test: IMAGES, probed: 20 },
    groups: groups.names,
    baseline: outcome("baseline"),
    arms: Object.fromEntries(Object.keys(arms).map((arm) => [arm, outcome(arm)])),
    contrasts,
    verdict: verdictOf(Object.keys(arms), evidenceOfImages(contrasts), constraint, 1),
    seconds: { baseline: 3, control: 2, treated: 6, placebo: 5 },
  };
}

const SIDE = 72;
const bytes = (n: number, seed: number) =>
  Uint8Array.from({ length: n }, (_, i) => Math.imul(i + seed, 2654435761) >>> 24);
const stack = (n: number) => ({
  ...{ dtype: "U8" as const, shape: [n, SIDE, SIDE, 3], data: bytes(n * SIDE * SIDE * 3, n) },
});

/** With as many pictures as there can be, all of them noise. */
function treatmentOf(count: number, channels: number): TreatmentRun {
  const verdictOf = (predicted: number) => ({ predicted, confidence: 0.6 });
  const by = { baseline: verdictOf(0), control: verdictOf(0), treated: verdictOf(1) };
  const changed = Array.from({ length: 24 }, (_, i) => ({
    ...{ pool: "test" as const, index: i, label: 1, fixed: i < 12, by },
  }));
  const low = Array.from({ length: 60 }, (_, i) => ({
    ...{ pool: "training" as const, index: i, label: 0, predicted: i % 2, confidence: 0.4 },
  }));
  const suspects = Array.from({ length: 24 }, (_, i) => ({
    ...{ pool: "test" as const, index: i, label: 0, suggested: 1 },
    ...{ labelProbability: 0.1, suggestedProbability: 0.8 },
  }));
  const gradient = (seed: number) => {
    const shape = [24, SIDE, SIDE];
    const data = Float32Array.from(bytes(24 * SIDE * SIDE, seed));
    return { dtype: "F32" as const, shape, data };
  };
  const aggregate = Float32Array.from(bytes(count * channels, 5));
  const layer = { layer: "features", classes: count, channels, aggregate };
  const record = { epoch: 1, lr: 0.01, seconds: 2 };
  const validation = { accuracy: 0.9, loss: 0.4, correct: 9, total: 10 };
  return {
    kind: "treatment",
    settings: {
      ...{ epochs: 1, treatEpochs: 1, lr: 0.01, treatLr: 0.01, batch: 8, momentum: 0.9 },
      ...{ weightDecay: 0, imagesPerClass: 5, noise: 0.1, seed: 0 },
      ...{ weights: EVIL, noiseCopies: 2, limit: undefined },
    },
    command: `deno task treat --data='${EVIL}'`,
    account: {
      source: EVIL,
      left_out: [{ why: "images of no class", count: 1200, examples: [EVIL, "b.png"] }],
      guesses: [{ what: `${EVIL} is the test`, settle: "--val-for" }],
      warnings: ["7 images are in two parts"],
    },
    result: resultOf(count),
    history: [
      { stage: "baseline", train: { loss: 2, accuracy: 0.5 }, validation, ...record },
      { stage: "control", train: { loss: 1, accuracy: 0.6 }, validation, ...record },
      {
        ...{ stage: "treated", validation, ...record },
        train: { loss: 1.5, accuracy: 0.6, channel: 0.25, space: 0.125 },
      },
    ],
    layers: [{ ...layer, mask: correlationMask(layer, 0.2) }],
    diagnosed: Array.from({ length: count }, () => 5),
    exhibits: {
      file: {
        ...{ version: 1, low, suspects, changed },
        models: ["baseline", "control", "treated"],
        searched: [{ pool: "test", images: 40, suspects: 24 }],
      },
      tensors: new Map<string, ReturnType<typeof stack> | ReturnType<typeof gradient>>([
        ["low", stack(60)],
        ["suspects", stack(24)],
        ["changed", stack(24)],
        ["gradient.baseline", gradient(1)],
        ["gradient.control", gradient(2)],
        ["gradient.treated", gradient(3)],
      ]),
    },
    findings: {
      ...{ version: 1, judged: { pool: "validation", images: 10, accuracy: 0.9 } },
      looked: [
        { name: "labels", words: "wrong labels" },
        { name: "classes", words: "classes that fail" },
        { name: "shortcut", words: "a shortcut", lacking: "there are no masks" },
      ],
      findings: [{
        ...{ name: "labels", claim: EVIL, evidence: [EVIL], advice: "Look.", severity: 0.5 },
        images: Array.from({ length: 500 }, (_, i) => `image ${i}: ${EVIL}`),
      }],
    },
    studies: [],
  };
}

/** What holds for every page. */
function check(run: Run): string {
  const whole = report(run);
  assert.ok(whole.length < 5_000_000, `${whole.length} bytes`);
  // Without the pixels.
  const page = whole.replaceAll(/data:image[^"]*/g, "data:");
  const counts = tags(page);
  assert.match(page, /^<!DOCTYPE html>\n<html lang="en">/);
  const wrong = page.match(/.*(<script|undefined|NaN|Infinity|\[object).*/);
  assert.equal(wrong?.[0], undefined);
  // Nothing is asked of a network.
  for (const [, url] of page.matchAll(/(?:src|srcset|href)="([^"]*)"/g)) {
    assert.match(url, /^(data:|#|seed-\d+\/report\.html$)/);
  }
  assert.doesNotMatch(page, /@import|url\(/);
  // For a screen reader.
  for (const landmark of ["header", "nav", "main", "h1"]) assert.equal(counts.get(landmark), 1);
  assert.equal(counts.get("h2"), counts.get("section"));
  assert.equal(counts.get("caption"), counts.get("table"));
  for (const [image] of page.matchAll(/<img[^>]*>/g)) assert.match(image, / alt="/);
  for (const [svg] of page.matchAll(/<svg[^]*?<\/svg>/g)) {
    assert.match(svg, /role="img"[^]*<title>.+<\/title><desc>.+<\/desc>/);
  }
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const [, id] of page.matchAll(/href="#([^"]+)"/g)) assert.ok(ids.includes(id), id);
  return page;
}

Deno.test("what is put into a template is escaped, unless it is HTML", () => {
  const inner = html`<b>${EVIL}</b>`;
  const text = `${html`<p title="${'"'}">${[inner, null, false, 0, undefined]}</p>`}`;
  assert.equal(
    text.replaceAll(/\s+(?=<)/g, ""),
    `<p title="&quot;"><b>&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; 'y'</b>0</p>`,
  );
});

Deno.test("the report of a treatment: every section with its numbers, below 5 MB", () => {
  const run = treatmentOf(10, 512);
  const page = check(run);
  const titles = [...page.matchAll(/<h2[^>]*>([^<]*)</g)].map(([, title]) => title);
  assert.deepEqual(titles, [
    ...["Findings", "Verdict", "What was asked", "What was read", "Training"],
    ...["Classes and kernels", "Class by class"],
    ...["Images fixed and broken", "Worth a look", "Other measures", "Studies", "Run it again"],
  ]);
  assert.match(page, /What helped<\/dt>\s*<dd>No treatment was measured in such a case/);
  assert.match(page, /Looked for and not found: classes that fail\. A shortcut could not be/);
  assert.match(page, /image 99: [^]*<li>and 400 more in findings\.json/);
  const { arms: { control, treated }, contrasts: [{ mcnemar: { b, c } }] } = run.result;
  for (const { test } of [control, treated]) {
    assert.ok(page.includes(`${(100 * test.accuracy).toFixed(2)}\u00a0%`));
  }
  assert.ok(page.includes(`${b} only control gets right, ${c} only treated`));
  for (const sentence of run.result.verdict) assert.ok(page.includes(sentence), sentence);
  for (const pair of ["Treated minus control", "Treated minus placebo"]) {
    assert.match(page, new RegExp(`<th scope="row">${pair}</th><td>[+−]\\d`));
  }
  assert.match(page, /<dt>Warning<\/dt>\s*<dd>7 images are in two parts<\/dd>/);
  assert.match(page, /is the test; settled by <code>--val-for<\/code>/);
  assert.match(page, /images of no class: 1,200, &lt;script&gt;.*, b\.png and 1198 more/);
  const { account: _, ...unknown } = run;
  assert.doesNotMatch(report(unknown), /What was read/);
  const groups = control.measures.groups!;
  const worst = `${(100 * groups.shares[groups.worst].accuracy!).toFixed(2)}\u00a0%`;
  assert.match(page, new RegExp(`The control's worst group is .* it is right on ${worst}`));
  assert.match(
    page,
    /as published at weight 1 on features, growing over 1 epoch, then falling .*; space-wise as a share/,
  );
  for (const curve of ["Training loss", "Channel-wise constraint", "Space-wise constraint"]) {
    assert.ok(page.includes(`<title>${curve}</title>`), curve);
  }
  assert.equal([...page.matchAll(/Gradient of the treated model at test image/g)].length, 24);
  assert.equal([...page.matchAll(/labelled &lt;script/g)].length, 60 + 24);
  assert.match(page, /Heat map of 10 classes by 512 kernels at features/);
  assert.match(page, /<span>\s*--data=/);
});

Deno.test("a hundred classes and many kernels still make a page", () => {
  const page = check(treatmentOf(100, 2048));
  assert.match(page, /The strongest kernels of each class at features/);
  assert.match(page, /The confusions that changed most/);
});

Deno.test("the reports of a diagnosis and of several seeds", () => {
  const treatment = treatmentOf(3, 8);
  const { layers, exhibits, settings, command, result } = treatment;
  const { changed: _, ...file } = exhibits.file;
  const diagnosis: DiagnosisRun = {
    ...{ kind: "diagnosis", settings, command, layers, studies: [], diagnosed: [5, 0, 5] },
    exhibits: { ...exhibits, file },
    diagnosis: {
      ...{ version: 1, model: "small", data: "mnist", classes: result.classes, adapter: "none" },
      ...{ parameters: 5, layers: ["features"], theta: 0.2, diagnosed: [5, 0, 5] },
      accuracy: result.arms.control.test,
      measures: result.arms.control.measures,
    },
  };
  const diagnosed = check(diagnosis);
  const interval = result.arms.control.test.interval.map((share) =>
    `${(100 * share).toFixed(2)}\u00a0%`
  );
  assert.ok(diagnosed.includes(`95 % interval ${interval.join(" to ")}`));
  const without = /No image of class 1 is classified right: its kernels are not known/g;
  assert.equal([...diagnosed.matchAll(without)].length, 2, "in the verdict and at the heat map");
  assert.match(diagnosed, /not known, and their rows are empty\./);
  assert.doesNotMatch(diagnosed, /Images fixed|Findings/);
  const sound = { ...treatment.findings!, findings: [] };
  const wrong = { ...sound, looked: sound.looked.slice(0, 2) };
  assert.match(
    check({ ...diagnosis, findings: wrong }),
    /Nothing that is looked for was found in the model[^]*: wrong labels; classes that fail\./,
  );

  const results = [0, 1, 2].map((seed) => resultOf(3, seed));
  const seeds: SeedsRun = {
    ...{ kind: "seeds", settings, command, studies: [], summary: summarizeSeeds(results) },
    parts: results.map((result) => ({
      ...{ folder: `seed-${result.seed}`, result },
      findings: result.seed === 1 ? sound : treatment.findings,
    })),
  };
  const page = check(seeds);
  assert.match(page, /over 3 seeds/);
  assert.ok(page.includes(seeds.summary.verdict[0]));
  assert.match(page, /Wrong labels<\/th><td>2 of 3<\/td><td>0, 2<\/td>/);
  assert.match(page, /A shortcut<\/th><td>there are no masks<\/td>/);
  assert.match(page, /<a href="seed-2\/report\.html">/);
});

const pixelsOf = (uri: string) => decodePixels(Uint8Array.fromBase64(uri.split(",")[1]), "a.png");

Deno.test("pictures hold the pixels; large ones are averaged, gradients scaled to their peak", async () => {
  const small = {
    dtype: "U8" as const,
    shape: [2, 2, 2, 1],
    data: Uint8Array.from([9, 9, 9, 9, 0, 50, 100, 255]),
  };
  const { width, height, channels, data } = await pixelsOf(thumbnail(small, 1));
  assert.deepEqual([width, height, channels, [...data]], [
    2,
    2,
    3,
    [0, 50, 100, 255].flatMap((v) => [v, v, v]),
  ]);
  const large = {
    ...small,
    shape: [1, 144, 144, 1],
    data: new Uint8Array(144 * 144).map((_, i) => i % 2 * 100),
  };
  const shrunk = await pixelsOf(thumbnail(large, 0));
  assert.deepEqual([shrunk.width, shrunk.height], [72, 72]);
  assert.ok(shrunk.data.every((value) => value === 50));

  const map = {
    dtype: "F32" as const,
    shape: [2, 2, 2],
    data: Float32Array.from([0, 0, 0, 0, 0, 0, 7, 7]),
  };
  const over = await pixelsOf(overlay(small, map, 1));
  assert.deepEqual([...over.data.slice(0, 3)], [0, 0, 0], "no gradient: the image in grey");
  const peak = over.data.slice(6, 9);
  assert.ok(peak[0] > 200 && peak[2] < 120, `${peak} is bright yellow`);
  assert.deepEqual([...(await pixelsOf(overlay(small, map, 0))).data.slice(0, 3)], [6, 6, 6]);
  assert.equal((await pixelsOf(matrix([[0, 1, 0.5]], 0.2, "dark"))).width, 3);
});

Deno.test("half of a gradient lies in the fewest pixels that make it", () => {
  assert.equal(halfShare([1, 1, 1, 1]), 0.5);
  assert.equal(halfShare([0, 0, 9, 1]), 0.25);
});
