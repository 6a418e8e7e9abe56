/** Yardsticks of shortcut learning: every picture against its paper's recipe, done by hand. */
import assert from "node:assert/strict";
import { makeCmnist } from "../engine/data/cmnist.ts";
import { colourMnist } from "../engine/data/colour_mnist.ts";
import type { DataSet, MemorySplit, Split } from "../engine/data/dataset.ts";
import { decoy } from "../engine/data/decoy.ts";
import { pairingsOf } from "../engine/data/groups.ts";
import { halfDecoy } from "../engine/data/half_decoy.ts";
import {
  correlatedSets,
  dataSetNames,
  figureChoices,
  loadDataSet,
} from "../engine/data/registry.ts";
import { makeShortcut, type Shortcut, type ShortcutOptions } from "../engine/data/shortcut.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { shared } from "./support/shared.ts";

const SIDE = 12;
const PIXELS = SIDE * SIDE;

/** Figures of random bytes, of ten classes in turn; two in three pixels are black. */
function part(n: number, seed: number): MemorySplit {
  let state = seed;
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 16;
  return {
    images: Uint8Array.from({ length: n * PIXELS }, () => random() % 3 ? 0 : random() % 256),
    labels: Uint16Array.from({ length: n }, (_, i) => i % 10),
  };
}

const figures: DataSet<MemorySplit> = {
  ...{ name: "figures", classes: [..."0123456789"], source: "figures", channels: 1 },
  ...{ height: 32, width: 32, stored: { height: SIDE, width: SIDE }, mean: [0], std: [1] },
  augmentation: { cropPadding: 0, flip: false },
  ...{ train: part(600, 1), test: part(600, 2) },
};

const make = (shortcut: Shortcut, options: Partial<ShortcutOptions> = {}) =>
  makeShortcut(shortcut, figures, options);

/** Row i of a table with rows of `size`. */
const row = (of: ArrayLike<number>, i: number, size: number) =>
  Array.from({ length: size }, (_, k) => of[i * size + k]);

const parts = (set: DataSet<MemorySplit>) =>
  [[set.train, figures.train], [set.test, figures.test]] as const;

const own = ({ labels, backgrounds }: Split) =>
  labels.filter((label, i) => backgrounds![i] === label).length / labels.length;

const near = (share: number, wanted: number, off = 0.06) =>
  assert(Math.abs(share - wanted) < off, `${share} is not about ${wanted}`);

Deno.test("decoy: a swatch of 4 x 4 in one of the four corners, in the grey of its kind", () => {
  const set = make(decoy);
  const corners = new Set<string>();
  for (const [made, from] of parts(set)) {
    for (let i = 0; i < 600; i++) {
      const [image, figure, mask] = [made.images, from.images, made.masks!.coverage]
        .map((of) => row(of, i, PIXELS));
      const swatch = [...mask.keys()].filter((p) => mask[p] === 0);
      const [top, left] = [Math.floor(swatch[0] / SIDE), swatch[0] % SIDE];
      corners.add(`${top},${left}`);
      assert.deepEqual(
        swatch,
        Array.from({ length: 16 }, (_, k) => (top + (k >> 2)) * SIDE + left + k % 4),
      );
      const grey = 255 - 25 * made.backgrounds![i];
      assert.deepEqual(image, figure.map((value, p) => swatch.includes(p) ? grey : value));
      assert(mask.every((share, p) => share === (swatch.includes(p) ? 0 : 255)));
    }
  }
  assert.deepEqual([...corners].sort(), ["0,0", "0,8", "8,0", "8,8"]);
  assert.deepEqual([set.height, set.width, set.channels, set.stored], [SIDE, SIDE, 1, undefined]);
  assert.equal(set.backgroundNames![3], "grey 180");
});

Deno.test("half-decoy: the figure at half its height, above or below the grey of its kind", () => {
  const above = [0, 0];
  for (const [made, from] of parts(make(halfDecoy))) {
    for (let i = 0; i < 600; i++) {
      const [image, figure, mask] = [made.images, from.images, made.masks!.coverage]
        .map((of) => row(of, i, PIXELS));
      const isBelow = mask[0] === 0;
      above[Number(isBelow)]++;
      const place = (p: number) => Math.floor(p / SIDE) - (isBelow ? SIDE / 2 : 0);
      image.forEach((value, p) => {
        const h = place(p);
        const inside = h >= 0 && h < SIDE / 2;
        assert.equal(mask[p], inside ? 255 : 0);
        if (!inside) return assert.equal(value, 255 - 25 * made.backgrounds![i]);
        // A triangle over four rows, a quarter as heavy at its ends; at the rim over three.
        const weights = [0.25, 0.75, 0.75, 0.25].map((weight, k): [number, number] => {
          const y = 2 * h - 1 + k;
          return y < 0 || y >= SIDE ? [0, 0] : [weight, figure[y * SIDE + p % SIDE]];
        });
        const total = weights.reduce((sum, [weight]) => sum + weight, 0);
        const wanted = weights.reduce((sum, [weight, v]) => sum + weight * v / total, 0);
        assert(Math.abs(value - wanted) < 0.51, `${value}, not ${wanted}`);
      });
    }
  }
  near(above[0] / 1200, 0.5);
});

Deno.test("decoys: the class's grey in training, any in the test, or as asked for", () => {
  for (const shortcut of [decoy, halfDecoy]) {
    const { train, test } = make(shortcut);
    assert.equal(own(train), 1);
    near(own(test), 0.1);
    assert.equal(new Set(test.backgrounds).size, 10);
    assert.deepEqual(test.labels, figures.test.labels);
    assert.equal(pairingsOf(test)!.of.filter((group) => group === 0).length / 600, own(test));
    near(own(make(shortcut, { testCorrelation: -0.9 }).test), 0.01, 0.02);
    near(own(make(shortcut, { correlation: 0.5 }).train), 0.55);
    assert.deepEqual(make(shortcut), make(shortcut));
    assert.notDeepEqual(make(shortcut, { seed: 1 }).test.images, test.images);
  }
});

Deno.test("colour-mnist: ink times the class's colour, in the test that of 9 - y", () => {
  // By the package that the paper's code takes them from: Color("red").range_to("purple", 10).
  const colours = [
    [1, 0, 0],
    [0.9446623093681917, 0.5248123940934399, 0],
    [0.7905107722101186, 0.8893246187363835, 0],
    [0.2779956427015246, 0.8339869281045751, 0],
    [0, 0.7786492374727669, 0.17303316388283735],
    [0, 0.7233115468409586, 0.5625756475429681],
    [0, 0.4453159041394332, 0.6679738562091503],
    [0, 0.0680706850641486, 0.612636165577342],
    [0.24768821108690423, 0, 0.5572984749455338],
    [0.5019607843137255, 0, 0.5019607843137254],
  ];
  const set = make(colourMnist);
  parts(set).forEach(([made, from], isTest) => {
    from.labels.forEach((label, i) => {
      const kind = isTest ? 9 - label : label;
      assert.equal(made.backgrounds![i], kind);
      row(made.images, i, 3 * PIXELS).forEach((value, at) => {
        const ink = from.images[i * PIXELS + Math.floor(at / 3)] * colours[kind][at % 3];
        assert(Math.abs(value - ink) <= 0.5 + 1e-9, `${value}, not ${ink}`);
      });
    });
    assert.deepEqual(made.masks!.coverage, from.images);
  });
  assert.equal(set.backgroundNames!.length, 10);
  near(own(make(colourMnist, { testCorrelation: 0 }).test), 0.1);
});

Deno.test("cmnist: every second pixel, in the channel of its colour; noisy labels, noisier colours", () => {
  // 12,000 images, each with its own number in its first two pixels that are kept.
  const n = 12_000;
  const images = new Uint8Array(n * PIXELS);
  for (let i = 0; i < n; i++) images.set([1 + (i >> 8), 0, i & 255, 0, 7], i * PIXELS);
  const labels = Uint16Array.from({ length: n }, (_, i) => i % 10);
  const set = makeCmnist({ ...figures, train: { images, labels } });
  assert.deepEqual([set.height, set.width, set.channels], [6, 6, 2]);
  const seen: number[] = [];
  const flips = (split: MemorySplit, start: number, step: number) => {
    let [labelsOff, coloursOff, count] = [0, 0, 0];
    for (let i = start; i < split.labels.length; i += step, count++) {
      const [image, mask] = [row(split.images, i, 72), row(split.masks!.coverage, i, 36)];
      const colour = split.backgrounds![i];
      const number = (image[colour] - 1) * 256 + image[2 + colour];
      seen.push(number);
      assert.deepEqual(image.filter((_, at) => at % 2 !== colour), Array(36).fill(0));
      assert.deepEqual(mask, image.filter((_, at) => at % 2 === colour));
      assert.equal(mask[2], 7);
      labelsOff += Number(split.labels[i] !== Number(number % 10 < 5));
      coloursOff += Number(colour !== split.labels[i]);
    }
    near(labelsOff / count, 0.25, 0.03);
    return coloursOff / count;
  };
  near(flips(set.train, 0, 2), 0.2, 0.03);
  near(flips(set.train, 1, 2), 0.1, 0.03);
  const trained = seen.length;
  near(flips(set.test, 0, 1), 0.9, 0.03);
  assert.deepEqual(seen.slice(trained), Array.from({ length: 2000 }, (_, i) => 10_000 + i));
  assert.deepEqual(seen.slice(0, trained).sort((a, b) => a - b), [...Array(10_000).keys()]);
  const always = makeCmnist({ ...figures, train: { images, labels } }, { correlation: 1 });
  assert.equal(own(always.train), 1);
});

Deno.test("shortcuts: correlations out of range are refused", () => {
  const isUsage = (error: unknown) =>
    error instanceof UserError && error.exitCode === ExitCode.usage;
  for (const options of [{ correlation: 2 }, { testCorrelation: -1.5 }]) {
    for (const shortcut of [decoy, halfDecoy, colourMnist]) {
      assert.throws(() => make(shortcut, options), isUsage);
    }
    assert.throws(() => makeCmnist(figures, options), isUsage);
  }
});

const real = shared("data/mnist");
Deno.test({
  name: `shortcuts: made from the files of MNIST, by name${real.note}`,
  ignore: real.missing,
  fn: async () => {
    const dataDir = `${real.folder}/..`;
    const sizes = { decoy: [28, 1], "colour-mnist": [28, 3], cmnist: [14, 2] };
    for (const [name, [size, channels]] of Object.entries(sizes)) {
      const { train, test, mean, std } = await loadDataSet({ name, dataDir });
      assert(train.images instanceof Uint8Array);
      const n = train.labels.length;
      assert.deepEqual([n, test.labels.length], [name === "cmnist" ? 50_000 : 60_000, 10_000]);
      const values = n * size * size;
      assert.equal(train.images.length, values * channels);
      if (name !== "colour-mnist") continue;
      for (let c = 0; c < channels; c++) {
        let [sum, squares] = [0, 0];
        for (let i = c; i < train.images.length; i += channels) {
          sum += train.images[i];
          squares += train.images[i] ** 2;
        }
        const average = sum / values;
        near(average / 255, mean[c], 1e-4);
        near(Math.sqrt(squares / values - average ** 2) / 255, std[c], 1e-4);
      }
    }
  },
});

Deno.test("shortcuts: each is a data set by name, with a correlation that can be asked for", () => {
  for (const name of ["decoy", "half-decoy", "colour-mnist", "cmnist"]) {
    assert(dataSetNames.includes(name) && correlatedSets.includes(name), name);
  }
  assert(figureChoices.includes("half-decoy") && !figureChoices.includes("cmnist"));
});
