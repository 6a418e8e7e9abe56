/** What a trial's numbers are said to mean: several tests at once, resampled images, sentences. */

import assert from "node:assert/strict";
import { bootstrap } from "../engine/doctor/bootstrap.ts";
import { classMeasures, classScalars } from "../engine/doctor/class_measures.ts";
import { contrastsOf, seedsContrasts } from "../engine/doctor/contrasts.ts";
import { holm } from "../engine/doctor/significance.ts";
import {
  type Evidence,
  evidenceOfImages,
  evidenceOfSeeds,
  verdictOf,
} from "../engine/doctor/verdict.ts";
import { below, draws } from "../engine/random.ts";
import { constraintOf } from "./support/constraint.ts";

Deno.test("Holm: the smallest p counts for all, none falls below one before it", () => {
  // By R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
  const found = holm([0.01, 0.04, null, 0.03, 0.005]);
  const wanted = [0.03, 0.06, null, 0.06, 0.02];
  found.forEach((p, i) => {
    if (p === null) assert.equal(wanted[i], null);
    else assert.ok(Math.abs(p - wanted[i]!) < 1e-12, `${found}`);
  });
  assert.deepEqual(holm([0.9, 0.8]), [1, 1]);
  assert.deepEqual(holm([null]), [null]);
});

/** Predictions of n images of three classes, right with a probability. */
function predictionsOf(n: number, seed: number, share: number) {
  const word = draws(seed, 1);
  return Array.from({ length: n }, (_, i) => {
    const right = below(word(i), 1000) < 1000 * share;
    const label = i % 3;
    const predicted = right ? label : (label + 1) % 3;
    return { label, predicted, confidence: 0.4 + below(word(n + i), 600) / 1000, loss: 0.5 };
  });
}

Deno.test("the bootstrap's interval of a difference of accuracies is that of the formula", () => {
  const n = 600;
  const models = { control: predictionsOf(n, 1, 0.7), treated: predictionsOf(n, 2, 0.8) };
  const right = (model: string) =>
    models[model as keyof typeof models].map((p) => p.label === p.predicted);
  const pairs = [{ arm: "treated", against: "control" }];
  const [{ accuracy }] = bootstrap(pairs, n, (model, times) => {
    let sum = 0;
    right(model).forEach((is, i) => sum += is ? times ? times[i] : 1 : 0);
    return { accuracy: sum / n };
  }, 7);
  const [{ difference, interval }] = contrastsOf(["control", "treated"], right, () => ({}), 0);
  assert.ok(Math.abs(accuracy.difference - difference) < 1e-12);
  const width = interval[1] - interval[0];
  for (const end of [0, 1]) {
    assert.ok(Math.abs(accuracy.interval![end] - interval[end]) < 0.1 * width);
  }
});

Deno.test("images that count several times are as if they stood there several times", () => {
  const of = predictionsOf(40, 3, 0.7);
  const group = Uint16Array.from(of, (_, i) => i % 2);
  const times = Uint32Array.from(of, (_, i) => i % 4);
  const repeated = of.flatMap((p, i) => new Array<typeof p>(times[i]).fill(p));
  const groups = (of: Uint16Array<ArrayBuffer>) => ({
    ...{ names: ["a", "b"], of, training: [30, 10] },
  });
  const again = Uint16Array.from([...group].flatMap((g, i) => new Array(times[i]).fill(g)));
  const found = classMeasures(of, 3, groups(group), times);
  const wanted = classMeasures(repeated, 3, groups(again));
  assert.ok(Math.abs(found.calibration.ece - wanted.calibration.ece) < 1e-12);
  assert.deepEqual(found.classes, wanted.classes);
  assert.deepEqual(found.confusion, wanted.confusion);
  assert.deepEqual(found.groups, wanted.groups);
  const [a, b] = wanted.groups!.shares.map(({ accuracy }) => accuracy!);
  assert.ok(Math.abs(wanted.groups!.training! - (0.75 * a + 0.25 * b)) < 1e-12);
  assert.equal(classScalars(found)["accuracy, training's groups"], found.groups!.training);
  // Of a group that training has and the test hasn't nothing is known.
  const lone = classMeasures(of, 3, { ...groups(group.fill(0)), training: [3, 1] });
  assert.equal(lone.groups!.training, null);
});

const constraint = constraintOf({ alpha: 0, beta: 1 });

Deno.test("the verdict says what the tests allow, against the control and against the placebo", () => {
  const say = (control: number, placebo: number, more: Partial<Evidence>[] = []) => {
    const evidence = [["control", control], ["placebo", placebo]] as const;
    const accuracy = evidence.map(([against, difference]): Evidence => ({
      ...{ arm: "treated", against, difference: difference / 100 },
      interval: [(difference - 0.5) / 100, (difference + 0.5) / 100],
      isBeyondChance: Math.abs(difference) > 0.5,
    }));
    const others = more.map((of): Evidence => ({
      ...{ arm: "treated", against: "swap", difference: 0, interval: null, isBeyondChance: false },
      ...of,
    }));
    const named = new Set(others.map(({ against }) => against));
    const arms = ["control", "treated", "placebo", ...named];
    return verdictOf(arms, { accuracy: [...accuracy, ...others] }, constraint, 10).join(" ");
  };
  assert.match(say(0.7, 0.05), /gains, but the masks themselves add nothing that can be told/);
  assert.match(
    say(0.7, 0.05),
    /Treated minus control \+0\.70 \(\+0\.20 to \+1\.20\) points of test accuracy; minus placebo/,
  );
  assert.match(say(2, 1), /^The treatment gains, and the masks are the cause/);
  assert.match(say(0.1, 0.1), /^Nothing that can be told from chance/);
  assert.match(say(2, -1), /less than its placebo/);
  assert.match(say(-2, 0), /^The treatment loses, whatever it is told/);
  assert.match(say(-2, 1), /^The treatment loses, though less than its placebo: the masks help/);
  const better = { difference: -0.03, isBeyondChance: true };
  assert.match(say(2, 1, [better]), /Beyond chance better than treated: swap \(-3\.00\)\./);
  assert.match(say(2, 1, [{}]), /No other arm \(swap\) can be told from treated\./);
  const onTop = (of: Partial<Evidence>) =>
    say(2, 1, [{}, { against: "swap-treated" }, { arm: "swap-treated", ...of }]);
  assert.match(
    onTop({ difference: -0.02, interval: [-0.03, -0.01], isBeyondChance: true }),
    /On top of swap the constraint loses -2\.00 \(-3\.00 to -1\.00\)\./,
  );
  assert.match(
    onTop({ difference: 0.01 }),
    /On top of swap the constraint changes nothing that can be told from chance: \+1\.00/,
  );
  assert.match(say(2, 1), / 10 seeds\.$/);
});

Deno.test("a verdict of one seed and of several rests on the trial's own contrasts", () => {
  const arms = ["control", "treated", "placebo"];
  const models: Record<string, ReturnType<typeof predictionsOf>> = {
    control: predictionsOf(900, 4, 0.6),
    treated: predictionsOf(900, 5, 0.8),
    placebo: predictionsOf(900, 6, 0.8),
  };
  const contrasts = contrastsOf(
    arms,
    (model) => models[model].map((p) => p.label === p.predicted),
    (model, times) => classScalars(classMeasures(models[model], 3, undefined, times)),
    0,
  );
  assert.deepEqual(Object.keys(contrasts[0].measures), ["calibration error", "worst class"]);
  const [first, , besides, caution] = verdictOf(arms, evidenceOfImages(contrasts), constraint, 1);
  assert.match(first, /^The treatment gains, but the masks themselves add nothing/);
  assert.match(besides, /^Beyond chance over the control too: .*worst class \+/);
  assert.match(caution, /^One seed/);

  const values: Record<string, number[]> = {
    control: [0.5, 0.51, 0.52, 0.5],
    treated: [0.6, 0.62, 0.61, 0.6],
    placebo: [0.55, 0.56, 0.58, 0.55],
  };
  const of = seedsContrasts(arms, (model) => values[model]);
  assert.ok(of[0].holm! >= of[0].p! && of[2].holm === of[2].p, "two families");
  const [over, , seeds] = verdictOf(
    arms,
    evidenceOfSeeds({ accuracy: { contrasts: of } }),
    constraint,
    4,
  );
  assert.match(over, /^The treatment gains, and the masks are the cause/);
  assert.match(seeds, /^4 seeds\. A claim takes 10/);
});
