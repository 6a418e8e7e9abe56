/**
 * Coloured MNIST: is the digit below 5? A quarter of the labels are wrong, and the colour, which of
 * two channels the digit stands in, goes with the label better than the digit does: it is another
 * than the label in 20 % of one half of the training images and 10 % of the other, but in 90 % of
 * the test images. 14 x 14 pixels, every second of MNIST's.
 *
 * Nobody can be right in more than 75 % without the colour; who goes by it alone is in 85 % of the
 * training and 10 % of the test. Trained on are the first 50,000 training images of MNIST in a random
 * order, the halves taken in turns; the test is its last 10,000 training images.
 *
 * Source: Arjovsky, Bottou, Gulrajani, Lopez-Paz, "Invariant Risk Minimization" (2019) and the
 * authors' code.
 */
import { draws, hash, permutation, streamId, uniform } from "../random.ts";
import { checkCorrelations, pickBackground } from "./backgrounds.ts";
import { type DataSet, masksOfAll, type MemorySplit, storedSize, subset } from "./dataset.ts";
import { type ShortcutOptions, UNIT_RANGE } from "./shortcut.ts";

/** Share of training images of MNIST that are the test. */
const TEST_SHARE = 1 / 6;
const WRONG_LABELS = 0.25;
/** Of the two halves of the training images in turns. A colour is another in (1 - c) / 2. */
const CORRELATIONS = [0.6, 0.8];
const TEST_CORRELATION = -0.8;

const BELOW = 5;

/**
 * @param digits MNIST; its own test images have no part
 * @throws UserError (usage) where a correlation is out of range
 */
export function makeCmnist(
  digits: DataSet<MemorySplit>,
  { seed = 0, correlation, testCorrelation = TEST_CORRELATION }: Partial<ShortcutOptions> = {},
): DataSet<MemorySplit> {
  const correlations = correlation === undefined ? CORRELATIONS : [correlation];
  checkCorrelations("cmnist", [...correlations, testCorrelation]);
  const n = digits.train.labels.length;
  const first = n - Math.round(n * TEST_SHARE);
  const own = hash(seed, streamId("cmnist"), 2);
  const order = permutation(first, own, streamId("order"));
  const tail = Uint32Array.from({ length: n - first }, (_, i) => first + i);
  const part = (indices: Uint32Array, at: number, correlations: readonly number[]) =>
    colour(digits, subset(digits.train, indices), {
      correlations,
      seed: hash(seed, streamId("cmnist"), at),
    });
  const [train, test] = [part(order, 0, correlations), part(tail, 1, [testCorrelation])];
  const { height, width } = halved(digits);
  const other = (of: readonly number[]) =>
    of.map((correlation) => `${Math.round(50 * (1 - correlation))} %`).join(" and ");
  return {
    name: "cmnist",
    classes: ["5 to 9", "0 to 4"],
    ...{ height, width, channels: 2, train, test, ...UNIT_RANGE, mean: [0, 0], std: [1, 1] },
    backgroundNames: ["red", "green"],
    source: `training images of ${digits.name} in two colours, seed ${seed} ` +
      `(${train.labels.length} training and ${test.labels.length} test images; 25 % of the labels ` +
      `are wrong; the colour is another than the label in ${other(correlations)} of the training ` +
      `images, ${other([testCorrelation])} of the test images)`,
  };
}

/** Every second pixel of images: their size. */
function halved(of: DataSet) {
  const { height, width } = storedSize(of);
  return { height: Math.ceil(height / 2), width: Math.ceil(width / 2) };
}

function colour(
  digits: DataSet,
  { images: figures, labels: values }: MemorySplit,
  { seed, correlations }: { seed: number; correlations: readonly number[] },
): MemorySplit {
  const [from, { height, width }] = [storedSize(digits), halved(digits)];
  const n = values.length;
  const images = new Uint8Array(n * height * width * 2);
  const coverage = new Uint8Array(n * height * width);
  const labels = new Uint16Array(n);
  const backgrounds = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const word = draws(seed, i);
    const is = Number(values[i] < BELOW);
    labels[i] = uniform(word(0)) < WRONG_LABELS ? 1 - is : is;
    const correlation = correlations[i % correlations.length];
    backgrounds[i] = pickBackground(labels[i], 2, correlation, word(1), () => uniform(word(2)));
    for (let h = 0; h < height; h++) {
      for (let w = 0; w < width; w++) {
        const ink = figures[(i * from.height + 2 * h) * from.width + 2 * w];
        const p = (i * height + h) * width + w;
        images[2 * p + backgrounds[i]] = ink;
        coverage[p] = ink;
      }
    }
  }
  return { images, labels, masks: masksOfAll(coverage, n), backgrounds };
}
