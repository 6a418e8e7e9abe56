/**
 * Which images the steps of an epoch see, and in which order. Each order is a function of the seed
 * and the epoch's number alone, so a run that is taken up sees what it would have seen. All give as
 * many images as the split has: an epoch is as long whatever is drawn in it.
 */

import type { Split } from "../data/dataset.ts";
import { below, draws, permutation, streamId } from "../random.ts";

/**
 * Indices into the split, as many as it has images.
 * @param images how many the split has
 * @param epoch from 0
 */
export type Order = (images: number, seed: number, epoch: number) => Uint32Array<ArrayBuffer>;

/** Every image once, in another order in each epoch. */
export const shuffled: Order = (images, seed, epoch) =>
  permutation(images, seed, streamId(`order of epoch ${epoch}`));

/** Images that wait at a time to be drawn from, where they come from archives one after the other. */
const WAITING = 8192;

/**
 * Every image once, so that each archive is read about once: the archives in another order in each
 * epoch, and their images drawn from those of some archives that wait together.
 * @param of the archive of each image, by number
 */
export function byArchives(of: ArrayLike<number>): Order {
  const archives = [...Map.groupBy(Array.from(of).keys(), (i) => of[i]).values()];
  return (images, seed, epoch) => {
    const first = permutation(archives.length, seed, streamId(`archives of epoch ${epoch}`));
    const draw = draws(seed, streamId(`images of archives of epoch ${epoch}`));
    const coming = Array.from(first).flatMap((k) => archives[k]);
    const waiting = coming.slice(0, WAITING);
    return Uint32Array.from({ length: images }, (_, i) => {
      const at = below(draw(i), waiting.length);
      const image = waiting[at];
      const next = coming[WAITING + i] ?? waiting.pop()!;
      if (at < waiting.length) waiting[at] = next;
      return image;
    });
  };
}

/** The order in which a split's images are best seen, where nothing else is asked for. */
export const usualOrder = (images: Split["images"]): Order =>
  images instanceof Uint8Array || !images.archives ? shuffled : byArchives(images.archives);

/**
 * Images drawn with replacement so that every group is as likely, and within a group every image.
 * @param of the group of each image; a group without images is none
 */
export function balanced(of: ArrayLike<number>): Order {
  const groups = [...Map.groupBy(Array.from(of).keys(), (i) => of[i]).values()];
  return (images, seed, epoch) => {
    const draw = draws(seed, streamId(`balanced order of epoch ${epoch}`));
    return Uint32Array.from({ length: images }, (_, i) => {
      const group = groups[below(draw(2 * i), groups.length)];
      return group[below(draw(2 * i + 1), group.length)];
    });
  };
}

/**
 * Images of which some are there several times: all of them shuffled, as many as there are images
 * without the repetitions taken. Which are left out differs from epoch to epoch.
 * @param times how often each image is there
 */
export function upweighted(times: ArrayLike<number>): Order {
  const repeated = Array.from(times).flatMap((count, i) => new Array<number>(count).fill(i));
  return (images, seed, epoch) =>
    shuffled(repeated.length, seed, epoch).subarray(0, images).map((at) => repeated[at]);
}
