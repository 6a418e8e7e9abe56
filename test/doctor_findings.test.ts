/** Findings: each by evidence that is made up, and whole diagnoses of planted faults. */

import assert from "node:assert/strict";
import { join } from "node:path";
import type { ExaminedLayer } from "../engine/doctor/examine.ts";
import type { Evidence, Found, JudgedPool } from "../engine/doctor/findings/finding.ts";
import { FINDINGS, findingsOf, readFindings } from "../engine/doctor/findings/findings.ts";
import { wrongLabels } from "../engine/doctor/findings/labels.ts";
import { exchangeOf } from "../engine/doctor/probes/exchange.ts";
import { atLeast, inCommon } from "../engine/doctor/significance.ts";
import { FAULTS, faulty } from "../engine/doctor/studies/faults.ts";
import { plantedCase, talliesOf } from "../engine/doctor/studies/planted.ts";
import { ExitCode } from "../engine/errors.ts";
import { initialize } from "../engine/nn/state.ts";
import { predictions } from "../engine/train/predictions.ts";
import { createClassifier } from "../models/classifier.ts";
import { classifier } from "../models/registry.ts";
import { makeColours } from "./support/colours.ts";
import { inFolder, userError } from "./support/io.ts";
import { freshRuntime } from "./support/train.ts";

const K = 6;
const classes = Array.from({ length: K }, (_, k) => `c${k}`);

/** What a network says of an image: its label, and probabilities of classes; the rest is shared. */
type Image = readonly [label: number, probabilities: Readonly<Record<number, number>>];

function pool(
  images: readonly Image[],
  name: "training" | "validation" = "validation",
  backgrounds?: readonly number[],
): JudgedPool {
  const values = images.flatMap(([, known]) => {
    const given = Object.keys(known).length;
    const rest = 1 - Object.values(known).reduce((sum, p) => sum + p, 0);
    return classes.map((_, k) => Math.log(known[k] ?? Math.max(rest, 1e-9) / (K - given)));
  });
  const labels = Uint16Array.from(images, ([label]) => label);
  const logits = { values: Float32Array.from(values), classes: K, labels };
  const split = {
    ...{ images: new Uint8Array(images.length), labels },
    ...backgrounds && { backgrounds: Uint8Array.from(backgrounds) },
  };
  return { name, split, logits, predicted: predictions(logits) };
}

const times = <T>(n: number, make: (i: number) => T): T[] =>
  Array.from({ length: n }, (_, i) => make(i));

/** Of each class `n` images, of which the last one in `wrong` is taken for the next class. */
const sound = (n = 50, wrong = 10, confidence = 0.9): Image[] =>
  times(n * K, (i) => {
    const label = i % K;
    const isWrong = Math.floor(i / K) % wrong === wrong - 1;
    // Not all the same, so that the surest images are some of each kind.
    const p = confidence + 0.005 * ((7 * i) % 11 - 5) / 5;
    return [label, isWrong ? { [(label + 1) % K]: p, [label]: (1 - p) / 2 } : { [label]: p }];
  });

const evidence = (images: Image[], more: Partial<Evidence> = {}): Evidence => ({
  ...{ classes, layers: [], training: pool(images, "training"), heldOut: pool(images) },
  ...more,
});

const find = (name: string, of: Evidence): Found | undefined =>
  FINDINGS.find((kind) => kind.name === name)!.find(of);

Deno.test("what sets have in common by chance is Fisher's exact test", () => {
  const near = (found: number, wanted: number) => assert.ok(Math.abs(found - wanted) < 1e-12);
  near(inCommon(3, 4, 4, 8), 17 / 70); // The lady tasting tea.
  near(inCommon(4, 4, 4, 8), 1 / 70);
  near(inCommon(0, 4, 4, 8), 1);
  near(inCommon(1, 7, 2, 8), 1); // They can't miss each other.
  assert.equal(inCommon(3, 2, 2, 8), 0);
  near(atLeast(2, 3, 0.2), 3 * 0.04 * 0.8 + 0.008);
  near(atLeast(0, 3, 0.2), 1);
  assert.deepEqual([atLeast(0, 0, 0.2), atLeast(4, 3, 0.2)], [1, 0]);
});

Deno.test("nothing is found of a sound network", () => {
  const { findings, looked, judged } = findingsOf(evidence(sound()));
  assert.deepEqual(findings, []);
  assert.deepEqual(judged, { pool: "validation", images: 50 * K, accuracy: 0.9 });
  assert.deepEqual(
    looked.filter(({ lacking }) => lacking !== undefined).map(({ name }) => name),
    ["shortcut"],
    "without masks and kinds of backgrounds",
  );
});

Deno.test("a shortcut: by exchanged backgrounds, or by groups", () => {
  /** Of 100 images so many are right on their class's background alone, and on others' alone. */
  const exchanged = (same: number, other: number) =>
    exchangeOf(
      times(100, (i) => [0, 0, i < same ? 0 : i < same + other ? 1 : 0, i < same ? 1 : 0]).flat(),
      times(100, () => 0),
    );
  const found = (same: number, other: number) =>
    find("shortcut", evidence(sound(), { exchange: exchanged(same, other) }));
  assert.equal(found(30, 2)!.severity, 0.28);
  assert.match(found(30, 2)!.evidence[0], /98.0 %.*70.0 %.*28.0 points/);
  assert.equal(found(2, 30), undefined, "the other way round");
  assert.equal(found(7, 1), undefined, "too few to tell");

  const all = sound(50, 1000);
  const grounded = (fooled: number) =>
    evidence(all, {
      heldOut: pool(
        all.map(([label, p], i) =>
          i % K === 0 && i / K < fooled ? [label, { [(label + 1) % K]: 0.9 }] : [label, p]
        ),
        "validation",
        all.map(([label], i) => i % K === 0 && i / K < 20 ? (label + 1) % K : label),
      ),
    });
  assert.equal(find("shortcut", grounded(10))!.severity, 0.5);
  assert.equal(find("shortcut", grounded(1)), undefined);
});

Deno.test("wrong labels: sure contradictions by any class, not by the runner-up", () => {
  /** A network that holds the classes after an image's own for less and less likely. */
  const graded = (of: number, p = 0.9): Record<number, number> =>
    Object.fromEntries(classes.map((_, j) => [(of + j) % K, j === 0 ? p : 0.05 / 2 ** j]));
  /** One in ten labels is that of any other class, or of the runner-up alone. */
  const images = (runnerUp = false) =>
    times(600, (i): Image => {
      const kind = i % K;
      const other = runnerUp ? 1 : 1 + Math.floor(i / 10) % 5;
      return [i % 10 === 0 ? (kind + other) % K : kind, graded(kind, 0.9 + (7 * i % 11) / 1000)];
    });
  const found = find("labels", evidence(images()))!;
  const { share, range, contradicted } = wrongLabels(pool(images()));
  assert.ok(range[0] < 0.1 && 0.1 < range[1] && share > 0.07, `${share}: ${range}`);
  assert.ok(contradicted > 20 && contradicted < 40);
  assert.equal(found.severity, share);
  const { images: suspects = [] } = found;
  assert.ok(suspects.length > 40 && suspects.some((text) => text.startsWith("training")));
  assert.match(
    suspects[0],
    /^validation \d+: labelled c\d \(0.2 %\), looks like c\d \(9\d.\d %\)/,
  );
  assert.equal(find("labels", evidence(images(true))), undefined, "a runner-up is no mistake");
  const weak = sound(100, 1000).map(([label, of], i): Image =>
    i % 3 === 0
      ? [label, { [(label + 1) % K]: 0.9, [label]: i % 5 === 0 ? 1e-6 : 0.06 }]
      : [label, of]
  );
  assert.equal(find("labels", evidence(weak)), undefined, "a network that is often wrong");
  const untrained = sound().map(([label], i): Image => [label, graded(i * 7 % 13 % K, 0.5)]);
  assert.match(FINDINGS[1].lacking!(evidence(untrained))!, /wrong too often/);
  const three = { classes: classes.slice(0, 3) };
  assert.match(FINDINGS[1].lacking!(evidence(sound(), three))!, /^of 3 classes/);
  const named = pool(images());
  const heldOut = { ...named, split: { ...named.split, names: times(600, (i) => `file ${i}`) } };
  assert.match(find("labels", evidence(sound(), { heldOut }))!.images![0], /^file \d+: /);
});

Deno.test("a class that fails: against the others, with its confusions and its images", () => {
  const failing = (n: number) =>
    sound().filter(([label], i) => label !== 2 || i < n * K)
      .map(([label, of], i): Image =>
        label === 2 && i % 5 !== 0 ? [2, { [i % 5 === 1 ? 4 : 5]: 0.9 }] : [label, of]
      );
  const many = find("classes", evidence(failing(50)))!;
  assert.match(many.claim, /fails in c2/);
  assert.match(many.evidence[0], /validation images of c2 .* are taken for c5 \(\d+\),? (and )?c4/);
  assert.doesNotMatch(many.advice, /more images/);
  const few = find("classes", evidence(failing(20)))!;
  assert.match(few.evidence[0], /It has 20 images to train on, the median class 50/);
  assert.match(few.advice, /Give c2 more images/);
  assert.equal(find("classes", evidence(failing(2))), undefined, "too few to tell");
});

Deno.test("twins: mixed up, and on the same kernels", () => {
  const channels = 40;
  const layer = (share: number): ExaminedLayer => {
    const mask = new Float32Array(K * channels);
    classes.forEach((_, k) => mask.fill(1, k * channels, k * channels + 4));
    for (const k of [0, 1]) {
      mask.fill(0, k * channels, k * channels + 4);
      const from = k === 0 ? 0 : 12 - share;
      mask.fill(1, k * channels + from, k * channels + from + 12);
    }
    return { layer: "conv", classes: K, channels, aggregate: mask, mask };
  };
  const mixed = sound().map(([label, of], i): Image =>
    label < 2 && i % 4 < 2 ? [label, { [1 - label]: 0.9 }] : [label, of]
  );
  const found = find("twins", evidence(mixed, { layers: [layer(0), layer(12)] }))!;
  assert.match(found.claim, /^c0 and c1 are mixed up/);
  assert.match(found.evidence[0], /at conv 12 kernels are both classes' own .*by chance 3\.6/);
  assert.equal(find("twins", evidence(mixed, { layers: [layer(4)] })), undefined, "by chance");
  assert.equal(find("twins", evidence(sound(), { layers: [layer(12)] })), undefined, "not mixed");
});

Deno.test("calibration: too sure, not sure enough, and by chance", () => {
  const found = (confidence: number, n = 50) =>
    find("calibration", evidence(sound(n, 5, confidence)));
  assert.match(found(0.99)!.claim, /overconfident/);
  assert.match(found(0.99)!.evidence[0], /80.0 % .* 99.0 %: too much by 19.0 points/);
  assert.match(found(0.6)!.claim, /underconfident/);
  assert.match(found(0.6)!.evidence[0], /too little by 20.0 points \(95 % interval 15/);
  assert.equal(found(0.8), undefined);
  assert.equal(found(0.72), undefined, "a little underconfident");
  assert.equal(found(0.9, 3), undefined, "too few to tell");
});

Deno.test("findings come by their severity, are written and read, and a damaged file is named", async () => {
  const images = sound(50, 3, 0.99);
  const file = findingsOf(evidence(images, {
    exchange: exchangeOf(times(100, () => [0, 0, 0, 1]).flat(), times(100, () => 0)),
  }));
  assert.deepEqual(file.findings.map(({ name }) => name), ["shortcut", "calibration"]);
  await inFolder(async (folder) => {
    const path = join(folder, "findings.json");
    await Deno.writeTextFile(path, JSON.stringify(file));
    assert.deepEqual(await readFindings(path), JSON.parse(JSON.stringify(file)));
    await Deno.writeTextFile(path, JSON.stringify({ ...file, findings: [{ name: "x" }] }));
    await userError(readFindings(path), ExitCode.io, /findings.json is damaged/);
  });
});

Deno.test("what is said to have helped is what the README's tables say", async () => {
  const readme = await Deno.readTextFile(new URL("../engine/doctor/README.md", import.meta.url));
  for (const { name, helped } of FINDINGS) {
    for (const [number] of helped?.matchAll(/\d+\.\d\d\b|\d+\.\d(?= to| %)/g) ?? []) {
      assert.ok(readme.includes(number), `${name}: ${number}`);
    }
  }
});

Deno.test("planted faults are found where they are, and not where they aren't", async () => {
  const runtime = await freshRuntime();
  const settings = { images: 800, epochs: 4, batch: 32, lr: 0.05, momentum: 0.9, weightDecay: 0 };
  const options = { ...settings, validation: 0.25, theta: 0.2, imagesPerClass: 20 };
  const ground = (set: { classes: readonly string[]; height: number }) => {
    const size = { inChannels: 3, numClasses: set.classes.length, imageSize: set.height };
    const network = createClassifier(classifier("small"), { ...size, width: 0.25 });
    initialize(network, 1);
    return { network, featureLayer: "features" };
  };
  const cases = [];
  for (const fault of FAULTS.slice(0, 3)) {
    cases.push(await plantedCase(runtime, fault, makeColours, 1, ground, options, {}));
    runtime.destroy();
  }
  assert.deepEqual(cases.map(({ fault, found }) => [fault, ...found]), [
    ...[["none"], ["shortcut", "shortcut"], ["labels", "labels"]],
  ]);
  const [shortcut, , classes] = talliesOf(cases);
  assert.deepEqual(shortcut, { finding: "shortcut", found: 1, planted: 1, seen: 0, absent: 2 });
  assert.deepEqual(classes, { finding: "classes", found: 0, planted: 0, seen: 0, absent: 3 });
});

Deno.test("faults are planted as they are told, the same ones by the same seed", () => {
  const fault = (name: string) => FAULTS.find((fault) => fault.name === name)!;
  const made = (name: string, seed = 3) => faulty(fault(name), makeColours, 600, seed).train;
  const { labels } = made("none");
  const count = (of: Uint16Array, k: number) => of.filter((label) => label === k).length;
  const wrong = made("labels").labels;
  classes.forEach((_, k) => assert.equal(count(wrong, k), 100, "labels change places"));
  const moved = wrong.filter((label, i) => label !== labels[i]).length;
  assert.ok(moved > 40 && moved <= 60, `${moved}`);
  assert.deepEqual(made("labels").labels, wrong);
  assert.notDeepEqual(made("labels", 4).labels, wrong);

  const tossed = made("twins").labels;
  const pair = new Set(labels.filter((label, i) => label !== tossed[i]));
  assert.equal(pair.size, 2);
  const rare = made("rare").labels;
  const sizes = classes.map((_, k) => count(rare, k)).sort((a, b) => a - b);
  assert.ok(sizes[0] > 0 && sizes[0] < 12 && sizes[1] === 100, `${sizes}`);
  const { labels: own, backgrounds } = made("shortcut");
  const together = own.filter((label, i) => backgrounds![i] === label).length;
  assert.ok(together > 540 && together < 600, `${together}`);
});
