/** Figures on scenes: real pixels, exact masks, correlations as asked for, groups and the worst. */
import assert from "node:assert/strict";
import type { DataSet, MemorySplit } from "../engine/data/dataset.ts";
import { pickBackground } from "../engine/data/backgrounds.ts";
import { type CompositeOptions, makeComposite } from "../engine/data/composite.ts";
import { combinationsOf } from "../engine/data/groups.ts";
import { byGroup, SMALLEST_GROUP, worst } from "../engine/doctor/class_measures.ts";
import { loadDataSet } from "../engine/data/registry.ts";
import { makeShapes } from "../engine/data/shapes.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { draws, uniform } from "../engine/random.ts";
import { shared } from "./support/shared.ts";

const KINDS = 4;

/** n images of label i mod 4 whose every byte is `value(i)`. */
function split(n: number, bytes: number, value: (i: number) => number): MemorySplit {
  return {
    images: Uint8Array.from({ length: n * bytes }, (_, at) => value(Math.floor(at / bytes))),
    labels: Uint16Array.from({ length: n }, (_, i) => i % KINDS),
  };
}

function set(name: string, channels: number, train: MemorySplit, test: MemorySplit) {
  const size = channels === 1 ? 4 : 32;
  return {
    ...{ name, classes: ["a", "b", "c", "d"], channels, train, test, source: name },
    ...{ height: size, width: size, mean: [0], std: [1] },
    augmentation: { cropPadding: 0, flip: false },
  } satisfies DataSet<MemorySplit>;
}

/** Figures of 4 x 4: value 100 in the training part, 12 in the test part. */
const figures = (name: string, n = 400) =>
  set(name, 1, split(n, 16, () => 100), split(n, 16, () => 12));
/** Scenes of one value: 10 k + part, k their class. */
const scenes = set(
  "scenes",
  3,
  split(40, 3072, (i) => 10 * (i % KINDS) + 1),
  split(40, 3072, (i) => 10 * (i % KINDS) + 2),
);
const compose = (options: Partial<CompositeOptions>, name = "fashion-mnist") =>
  makeComposite(figures(name), scenes, options);

/** Share of images on their own class's background. */
const own = ({ labels, backgrounds }: MemorySplit) =>
  labels.filter((label, i) => backgrounds![i] === label).length / labels.length;

Deno.test("composite: pixels of figure and scene, and the mask says which", () => {
  const { train, test } = compose({});
  for (const [part, value, solid, offset] of [[train, 100, 24, 1], [test, 12, 24, 2]] as const) {
    const c = Math.min(1, value / solid);
    for (let i = 0; i < 50; i++) {
      const ground = 10 * part.backgrounds![i] + offset;
      const mask = part.masks!.coverage.subarray(1024 * i, 1024 * (i + 1));
      const inside = [...mask.keys()].filter((p) => mask[p] > 0);
      assert.equal(inside.length, 16);
      const [left, top] = [inside[0] % 32, Math.floor(inside[0] / 32)];
      assert.deepEqual(
        inside,
        Array.from({ length: 16 }, (_, k) => (top + (k >> 2)) * 32 + left + k % 4),
      );
      for (let p = 0; p < 1024; p++) {
        const is = mask[p] > 0;
        assert.equal(mask[p], is ? Math.round(255 * c) : 0);
        const wanted = is ? Math.round(value + (1 - c) * ground) : ground;
        assert.equal(part.images[3 * (1024 * i + p)], wanted);
      }
    }
  }
});

Deno.test("composite: a digit is as opaque as its ink", () => {
  const { train } = compose({}, "mnist");
  const p = train.masks!.coverage.findIndex((share) => share > 0);
  assert.equal(train.masks!.coverage[p], 100);
  const ground = 10 * train.backgrounds![0] + 1;
  assert.equal(train.images[3 * p], Math.round(100 + (1 - 100 / 255) * ground));
});

Deno.test("composite: the background goes with the class as often as asked for", () => {
  // A random background of four is the class's own in a quarter of the cases.
  const near = (share: number, wanted: number) =>
    assert(Math.abs(share - wanted) < 0.08, `${share}`);
  const plain = compose({ correlation: 0.8 });
  near(own(plain.train), 0.8 + 0.2 / 4);
  near(own(plain.test), 1 / 4);
  const reversed = compose({ correlation: 1, testCorrelation: -1 });
  assert.equal(own(reversed.train), 1);
  assert.equal(own(reversed.test), 0);
  near(own(compose({ testCorrelation: -0.5 }).test), 0.5 / 4);
  assert.deepEqual(compose({ correlation: 0.8 }), plain);
  assert.notDeepEqual(compose({ correlation: 0.8, seed: 1 }).train.images, plain.train.images);
  for (const correlation of [1.1, -2, NaN]) {
    assert.throws(
      () => compose({ correlation }),
      (error) => error instanceof UserError && error.exitCode === ExitCode.usage,
    );
  }
});

Deno.test("backgrounds: at -1 every other kind comes, at 0 every kind", () => {
  const word = draws(5, 5);
  const counts = (correlation: number) => {
    const all = Array(KINDS).fill(0);
    for (let i = 0; i < 400; i++) {
      all[pickBackground(2, KINDS, correlation, word(2 * i), () => uniform(word(2 * i + 1)))]++;
    }
    return all;
  };
  const [reversed, none] = [counts(-1), counts(0)];
  assert.equal(reversed[2], 0);
  assert(reversed.filter((n) => n > 100).length === 3, String(reversed));
  assert(Math.min(...none) > 70, String(none));
});

Deno.test("shapes: the test's backgrounds can be reversed, and the training stays as it is", () => {
  const [plain, reversed] = [0, -1].map((testCorrelation) =>
    makeShapes({ train: 50, test: 200, testCorrelation })
  );
  assert.deepEqual(reversed.train, plain.train);
  assert.equal(own(reversed.test), 0);
});

Deno.test("groups: label and background, the worst of those that are large enough", () => {
  const { train } = compose({});
  const part = {
    ...train,
    labels: Uint16Array.from({ length: 30 }, (_, i) => i < 9 ? 0 : 1),
    backgrounds: Uint8Array.from({ length: 30 }, (_, i) => i < 9 ? 3 : i < 20 ? 1 : 2),
  };
  const groups = combinationsOf({ ...compose({}), train: part }, part)!;
  assert.equal(groups.names[groups.of[0]], "a on d");
  const predicted = Array.from({ length: 30 }, (_, i) => ({
    ...{ label: 1, predicted: i >= 12 && i !== 25 ? 1 : 0, confidence: 1, loss: 0 },
  }));
  const shares = byGroup(predicted, groups.of, groups.names.length);
  assert.deepEqual(
    shares.flatMap(({ images, correct }, g) =>
      images > 0 ? [[groups.names[g], correct, images]] : []
    ),
    [["a on d", 0, 9], ["b on b", 8, 11], ["b on c", 9, 10]],
  );
  assert.equal(groups.names[worst(shares)], "a on d");
  assert.equal(groups.names[worst(shares, SMALLEST_GROUP)], "b on b");
  assert.equal(combinationsOf(scenes, scenes.train), undefined);
  assert(combinationsOf(makeShapes({ train: 1, test: 1 }), makeShapes({ train: 1, test: 1 }).test));
});

const real = shared("data/fashion-mnist");
Deno.test({
  name: `composite: real garments on real scenes${real.note}`,
  ignore: real.missing || shared("data/cifar10").missing,
  fn: async () => {
    const dataDir = `${real.folder}/..`;
    const { train, test, mean, std } = await loadDataSet({ name: "composite", dataDir });
    assert(train.images instanceof Uint8Array && train.masks && test.masks);
    assert.deepEqual([train.labels.length, test.labels.length], [60_000, 10_000]);
    const share = train.masks.coverage.reduce((a, b) => a + b) / 255 / train.masks.coverage.length;
    assert(share > 0.2 && share < 0.5, `${share} of the pixels are figure`);
    for (let c = 0; c < 3; c++) {
      let [sum, squares] = [0, 0];
      for (let i = c; i < train.images.length; i += 3) {
        sum += train.images[i];
        squares += train.images[i] ** 2;
      }
      const n = train.images.length / 3;
      const deviation = Math.sqrt(squares / n - (sum / n) ** 2);
      assert(Math.abs(sum / n / 255 - mean[c]) < 0.01 && Math.abs(deviation / 255 - std[c]) < 0.01);
    }
  },
});
