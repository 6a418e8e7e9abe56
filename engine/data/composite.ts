/**
 * The data set `composite`: figures of Fashion-MNIST or MNIST on images of CIFAR-10, real pixels
 * both, with the exact mask of every figure. In the training images the background's class goes
 * with the figure's at a chosen correlation, in the test images at another one, by default none:
 * a network that learns the background pays for it, most in the groups of label and background
 * that were rare.
 *
 * A figure's value v covers its pixel by c = min(1, v / solid) with the colour v / c, so that what
 * is seen is v + (1 - c) background: a garment is opaque where it is not black, a digit is white
 * and as opaque as its ink. c is the mask.
 */
import { below, draws, hash, streamId, uniform } from "../random.ts";
import { checkCorrelations, describeCorrelations, pickBackground } from "./backgrounds.ts";
import { type DataSet, masksOfAll, type MemorySplit, type Preparation } from "./dataset.ts";

export const figureSets = ["fashion-mnist", "mnist"] as const;
export const sceneSet = "cifar10";

export interface CompositeOptions {
  readonly seed: number;
  /** See backgrounds.ts. */
  readonly correlation: number;
  readonly testCorrelation: number;
}

export const compositeDefaults: CompositeOptions = {
  seed: 0,
  correlation: 0.9,
  testCorrelation: 0,
};

/** From which value on a figure's pixel is opaque. */
const SOLID: Readonly<Record<typeof figureSets[number], number>> = {
  "fashion-mnist": 24,
  "mnist": 255,
};

/** Mean and standard deviation of the training images with garments, measured. */
const preparation: Preparation = {
  mean: [0.538, 0.534, 0.512],
  std: [0.260, 0.258, 0.275],
  augmentation: { cropPadding: 0, flip: false },
};

const size = 32;
const pixels = size * size;

/**
 * Puts every figure on a background of its part: training figures on training images.
 * @param figures grey, not larger than 32 x 32, of as many classes as the scenes have
 * @param scenes 32 x 32, in colour
 * @throws UserError (usage) where a correlation is out of range
 */
export function makeComposite(
  figures: DataSet<MemorySplit>,
  scenes: DataSet<MemorySplit>,
  options: Partial<CompositeOptions> = {},
): DataSet<MemorySplit> {
  const { seed, correlation, testCorrelation } = { ...compositeDefaults, ...options };
  checkCorrelations("composite", [correlation, testCorrelation]);
  const part = (name: "train" | "test", correlation: number) =>
    compose(figures, figures[name], scenes[name], {
      correlation,
      kinds: scenes.classes.length,
      seed: hash(seed, streamId("composite"), name === "train" ? 0 : 1),
    });
  const [train, test] = [part("train", correlation), part("test", testCorrelation)];
  return {
    name: "composite",
    classes: figures.classes,
    ...{ height: size, width: size, channels: 3, ...preparation, train, test },
    backgroundNames: scenes.classes,
    source: `figures of ${figures.name} on ${scenes.train.labels.length} and ` +
      `${scenes.test.labels.length} images of ${scenes.name}, seed ${seed} (` +
      `${train.labels.length} training and ${test.labels.length} test images; ` +
      `${describeCorrelations(correlation, testCorrelation)})`,
  };
}

function compose(
  { name, stored, height, width }: DataSet,
  figures: MemorySplit,
  scenes: MemorySplit,
  { correlation, kinds, seed }: { correlation: number; kinds: number; seed: number },
): MemorySplit {
  const from = stored ?? { height, width };
  const solid = SOLID[name as keyof typeof SOLID];
  const byKind = Map.groupBy(scenes.labels.keys(), (i) => scenes.labels[i]);
  const n = figures.labels.length;
  const images = new Uint8Array(n * pixels * 3);
  const coverage = new Uint8Array(n * pixels);
  const backgrounds = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const word = draws(seed, i);
    const kind = pickBackground(
      figures.labels[i],
      kinds,
      correlation,
      word(0),
      () => uniform(word(1)),
    );
    const members = byKind.get(kind)!;
    const scene = members[below(word(2), members.length)];
    const top = below(word(3), size - from.height + 1);
    const left = below(word(4), size - from.width + 1);
    const image = images.subarray(i * pixels * 3, (i + 1) * pixels * 3);
    image.set(scenes.images.subarray(scene * pixels * 3, (scene + 1) * pixels * 3));
    for (let h = 0; h < from.height; h++) {
      for (let w = 0; w < from.width; w++) {
        const v = figures.images[(i * from.height + h) * from.width + w];
        if (v === 0) continue;
        const p = (top + h) * size + left + w;
        const c = Math.min(1, v / solid);
        coverage[i * pixels + p] = Math.round(255 * c);
        for (let k = 3 * p; k < 3 * p + 3; k++) image[k] = Math.round(v + (1 - c) * image[k]);
      }
    }
    backgrounds[i] = kind;
  }
  return { images, labels: figures.labels, masks: masksOfAll(coverage, n), backgrounds };
}
