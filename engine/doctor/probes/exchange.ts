/**
 * What the background's class is worth: accuracy on images whose figure stands on the background of
 * another image of its own class, and of one of another class. Pasting a figure costs a network
 * something whatever the background; it costs the same in both, so the gap between the two is the
 * background's alone. Where the background tells nothing, it is zero but for chance.
 *
 * What the other image shows of its own figure would tell too. So either background is filled in
 * with its mean colour where the figure of either of the two was (see ../exchange.ts), and a little
 * around it, for masks are seldom exact and an outline tells as much: the same place in both.
 *
 * Source: Xiao, Engstrom, Ilyas, Madry, Noise or Signal: The Role of Image Backgrounds in Object
 * Recognition, ICLR 2021: the gap of "mixed-same" and "mixed-rand".
 */

import * as v from "valibot";
import { type Labels, NO_MASK, type Split, subset } from "../../data/dataset.ts";
import { count, finite } from "../../io/json.ts";
import { run } from "../../nn/module.ts";
import { permutation, streamId } from "../../random.ts";
import { concat, reshape, slice } from "../../tensor/movement.ts";
import { mul } from "../../tensor/pointwise.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { RowCollector } from "../../train/collect.ts";
import type { Observer } from "../../train/observer.ts";
import { type Share, share, shareSchema } from "../class_measures.ts";
import { clearOfFigures, onOtherBackgrounds } from "../exchange.ts";
import { type Interval, type McNemar, mcnemar, pairedDifference } from "../significance.ts";
import { predictedColumn } from "./attack.ts";
import { defineProbe, type Measure, type Subject } from "./probe.ts";

export const exchange = defineProbe({
  name: "exchange",
  help: "accuracy on exchanged backgrounds, of the same class and of others",
  words: "backgrounds",
  usual: false,
  options: {},
  lacking: (split) =>
    exchangesOf(split, 0).length > 0
      ? undefined
      : "there are no masks of two images of a class and one of another",
  schema: v.looseObject({
    ...{ images: count, original: shareSchema, own: shareSchema },
    ...{ same: shareSchema, other: shareSchema },
    ...{ gap: v.nullable(finite), interval: v.nullable(v.tuple([finite, finite])) },
    mcnemar: v.looseObject({ b: count, c: count, p: finite }),
  }),
  make: (subject) => ExchangeMeasure.make(subject),
  scalars: ({ same, other, gap }: ExchangeResult) => ({
    "same class's background": same.accuracy,
    "other class's background": other.accuracy,
    "background gap": gap,
  }),
  curves: () => [],
});

export interface ExchangeResult {
  /** Images with masks that have another of their class, and one of another class. */
  readonly images: number;
  /** As they are, filled in, on a background of their own class, and on one of another class. */
  readonly original: Share;
  readonly own: Share;
  readonly same: Share;
  readonly other: Share;
  /** Accuracy on backgrounds of the same class minus that on others', with its 95 % interval. */
  readonly gap: number | null;
  readonly interval: Interval | null;
  /** b images are right on another class's background alone, c on their own class's. */
  readonly mcnemar: McNemar;
}

/** An image, and those whose backgrounds it gets: one of its class, one of another. */
export type Exchange = readonly [image: number, same: number, other: number];

/**
 * Rows for each image: as it is, and on its own background, the same class's and another's, of
 * which all three are filled in alike.
 */
export const WAYS = 4;

/**
 * Which backgrounds the images of a split get: of the images in a random order, the next one of the
 * same class lends its own, and the next one of another.
 */
export function exchangesOf({ labels, masks }: Split, seed: number): Exchange[] {
  if (!masks) return [];
  const order = Array.from(permutation(labels.length, seed, streamId("exchange")))
    .filter((i) => masks.rows[i] !== NO_MASK);
  const ofClass = Map.groupBy(order, (i) => labels[i]);
  const others = nextOfAnotherClass(order, labels);
  const rank = new Map(
    [...ofClass.values()].flatMap((members) => [...members.entries()])
      .map(([place, image]) => [image, place]),
  );
  return order.flatMap((image, place): Exchange[] => {
    const members = ofClass.get(labels[image])!;
    const other = others[place];
    if (members.length < 2 || other === undefined) return [];
    return [[image, members[(rank.get(image)! + 1) % members.length], other]];
  });
}

/** For each place in the order the next image of another class, going round. */
function nextOfAnotherClass(order: readonly number[], labels: Labels): (number | undefined)[] {
  const found = new Array<number | undefined>(order.length);
  // From the end, and once more for the last places, whose next ones are at the start.
  for (let step = 2 * order.length - 1; step >= 0; step--) {
    const place = step % order.length;
    const next = (place + 1) % order.length;
    const isOther = labels[order[next]] !== labels[order[place]];
    found[place] = isOther ? order[next] : found[next];
  }
  return found;
}

export class ExchangeMeasure implements Measure<ExchangeResult> {
  private constructor(
    private readonly rows: RowCollector,
    private readonly labels: readonly number[],
  ) {}

  static async make(
    { runtime, network, set, split, batch, seed }: Omit<Subject, "featureLayer">,
  ): Promise<ExchangeMeasure> {
    const exchanges = exchangesOf(split, seed);
    const members = exchanges.flatMap(([image, same, other]) => [image, image, same, other]);
    const images = subset(split, Uint32Array.from(members));
    const size = WAYS * Math.ceil(batch / WAYS);
    const rows = await RowCollector.make(runtime, set, images, size, ({ images, background }) => {
      const { output } = run(network, inEveryWay(images, background!), { training: false });
      return predictedColumn(output);
    });
    return new ExchangeMeasure(rows, exchanges.map(([image]) => split.labels[image]));
  }

  async measure(observer?: Observer): Promise<ExchangeResult> {
    return exchangeOf(await this.rows.collect(0, observer), this.labels);
  }

  destroy(): void {
    this.rows.destroy();
  }
}

/**
 * From an image, itself again, one of its class and one of another, and so on: it as it is, and on
 * the background of each of the three.
 * @param images [4 n, H, W, C]
 * @param background the share of background in each pixel [4 n, H, W, 1]
 */
export function inEveryWay(images: Tensor, background: Tensor): Tensor {
  const [, height, width] = images.shape;
  const around = (x: Tensor) =>
    reshape(clearOfFigures(reshape(x, [-1, height, width, 1])), x.shape);
  const [own, , ofSame, ofOther] = ways(background);
  const shown = mul(around(ofSame), around(ofOther));
  const grounds = together([own, shown, shown, shown]);
  const on = (offset: number) => ways(onOtherBackgrounds(images, grounds, offset))[0];
  return together([ways(images)[0], on(1), on(2), on(3)]);
}

/** The first, second, .. of every four rows: [4 n, ...] to four of [n, 1, ...]. */
function ways(x: Tensor): Tensor[] {
  const [rows, ...rest] = x.shape;
  const byImage = reshape(x, [rows / WAYS, WAYS, ...rest]);
  return Array.from({ length: WAYS }, (_, way) => slice(byImage, 1, way, way + 1));
}

/** The inverse of `ways`. */
function together(parts: readonly Tensor[]): Tensor {
  const joined = concat(parts, 1);
  const [images, , ...rest] = joined.shape;
  return reshape(joined, [images * WAYS, ...rest]);
}

/**
 * @param predicted [4 n]: for each image the class predicted as it is, filled in, on the same
 * class's background and on another's
 */
export function exchangeOf(
  predicted: ArrayLike<number>,
  labels: readonly number[],
): ExchangeResult {
  const images = labels.length;
  const right = (way: number) => labels.map((label, i) => predicted[WAYS * i + way] === label);
  const [original, own, same, other] = [0, 1, 2, 3].map(right);
  const test = mcnemar(other, same);
  const shareOf = (of: readonly boolean[]) => share(of.filter(Boolean).length, images);
  return {
    images,
    ...{ original: shareOf(original), own: shareOf(own) },
    ...{ same: shareOf(same), other: shareOf(other) },
    gap: images > 0 ? (test.c - test.b) / images : null,
    interval: images > 0 ? pairedDifference(test, images) : null,
    mcnemar: test,
  };
}
