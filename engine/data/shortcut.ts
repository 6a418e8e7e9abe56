/**
 * Yardsticks of shortcut learning: figures of MNIST or Fashion-MNIST, and in the same picture
 * something easier that goes with the class in training and not in the test. What it is, a paper
 * says: decoy.ts, half_decoy.ts, colour_mnist.ts. Here is what they have in common: which image has
 * which kind of it, and where the figure is.
 *
 * The kinds are the splits' `backgrounds`, as many as there are classes, and a class's own bears its
 * number: so accuracy by group tells who took the shortcut.
 */
import { draws, hash, streamId, uniform } from "../random.ts";
import { checkCorrelations, describeCorrelations, pickBackground } from "./backgrounds.ts";
import {
  type DataSet,
  masksOfAll,
  type MemorySplit,
  type Preparation,
  type Size,
  storedSize,
} from "./dataset.ts";

/** A picture to paint: everything of it is 0 at first. */
export interface Picture extends Size {
  /** (H, W) in grey */
  readonly figure: Uint8Array;
  /** Of the shortcut. */
  readonly kind: number;
  /** The picture's random words. */
  readonly word: (counter: number) => number;
  /** (H, W, C) */
  readonly image: Uint8Array;
  /** (H, W) the share of each pixel that is figure, in 255ths */
  readonly coverage: Uint8Array;
}

/** What distinguishes one yardstick from another. */
export interface Shortcut {
  readonly name: string;
  /** "a swatch in a corner": what is beside, or on, the figures. */
  readonly what: string;
  readonly channels: number;
  readonly preparation: Preparation;
  /** The kinds' names, in the order of the classes that they go with. */
  readonly kinds: readonly string[];
  /** Of the test images; where absent, classes have each other's kinds, the first the last's. */
  readonly testCorrelation?: number;
  paint(picture: Picture): void;
}

export interface ShortcutOptions {
  readonly seed: number;
  /** See backgrounds.ts. */
  readonly correlation: number;
  /** By default the shortcut's own. */
  readonly testCorrelation?: number;
}

export const shortcutDefaults: ShortcutOptions = { seed: 0, correlation: 1 };

/** Where the input is the byte / 255. */
export const UNIT_RANGE: Preparation = {
  mean: [0],
  std: [1],
  augmentation: { cropPadding: 0, flip: false },
};

/**
 * Puts a shortcut into pictures of figures, training and test images apart.
 * @param figures grey, of at most as many classes as the shortcut has kinds
 * @throws UserError (usage) where a correlation is out of range
 */
export function makeShortcut(
  shortcut: Shortcut,
  figures: DataSet<MemorySplit>,
  options: Partial<ShortcutOptions> = {},
): DataSet<MemorySplit> {
  const { name, what, channels, preparation } = shortcut;
  const { seed, correlation, testCorrelation = shortcut.testCorrelation } = {
    ...shortcutDefaults,
    ...options,
  };
  checkCorrelations(name, [correlation, testCorrelation ?? 0]);
  const kinds = figures.classes.length;
  const size = storedSize(figures);
  const part = (part: "train" | "test", correlation?: number) =>
    paintAll(shortcut, figures[part], size, {
      seed: hash(seed, streamId(name), part === "train" ? 0 : 1),
      kindOf: (label, word) =>
        correlation === undefined
          ? kinds - 1 - label
          : pickBackground(label, kinds, correlation, word(0), () => uniform(word(1))),
    });
  const [train, test] = [part("train", correlation), part("test", testCorrelation)];
  const how = testCorrelation === undefined
    ? `it goes with the class at ${Math.round(100 * correlation)} % in training, in the test ` +
      "classes have each other's, in reverse order"
    : describeCorrelations(correlation, testCorrelation, "it");
  return {
    name,
    classes: figures.classes,
    ...{ ...size, channels, ...preparation, train, test },
    backgroundNames: shortcut.kinds.slice(0, kinds),
    source: `${figures.name} with ${what}, seed ${seed} (${train.labels.length} training and ` +
      `${test.labels.length} test images; ${how})`,
  };
}

/** Words from here on are the painter's; those before decide the kind. */
const OWN_WORDS = 2;

function paintAll(
  { channels, paint }: Shortcut,
  { images: figures, labels }: MemorySplit,
  size: Size,
  { seed, kindOf }: {
    seed: number;
    kindOf: (label: number, word: (counter: number) => number) => number;
  },
): MemorySplit {
  const pixels = size.height * size.width;
  const n = labels.length;
  const images = new Uint8Array(n * pixels * channels);
  const coverage = new Uint8Array(n * pixels);
  const backgrounds = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const word = draws(seed, i);
    const kind = kindOf(labels[i], word);
    const row = (of: Uint8Array, size: number) => of.subarray(i * size, (i + 1) * size);
    paint({
      ...size,
      kind,
      word: (counter) => word(OWN_WORDS + counter),
      figure: row(figures, pixels),
      image: row(images, pixels * channels),
      coverage: row(coverage, pixels),
    });
    backgrounds[i] = kind;
  }
  return { images, labels, masks: masksOfAll(coverage, n), backgrounds };
}
