/** Profiles of steps on a data set, which show whether its images arrive in time. */

import { type DataSet, type ImageSource, type Split, subset } from "../../engine/data/dataset.ts";
import type { Option } from "../../engine/options.ts";
import { usualOrder } from "../../engine/train/order.ts";
import { buildModel } from "../open_model.ts";
import { dataFlags, masksFlag, openData } from "../data.ts";

import { flagTable, type Values } from "../framework/flags.ts";
import { needs } from "../framework/rules.ts";
import { classifierOrFile } from "../model_file.ts";
import { stageFlags } from "./stage.ts";

const { data, size: _, ...others } = { ...dataFlags, ...masksFlag };

/** Those of a step, and of the data set that it may be run on. */
export const stageOnDataFlags = flagTable({
  ...stageFlags,
  data: {
    type: "choice",
    choices: data.choices,
    help: "the data set whose images the step has (default made-up ones)",
  },
  ...Object.fromEntries(
    Object.entries<Option>(others).map(([key, flag]) => [
      key,
      { ...flag, need: [needs.anyOf("data"), ...[flag.need ?? []].flat()] },
    ]),
  ) as unknown as typeof others,
  channels: { ...stageFlags.channels, need: needs.absent("data") },
  classes: { ...stageFlags.classes, need: needs.absent("data") },
});

/** The network that the flags ask for, and the set with its training images as an epoch has them. */
export async function openOnData(
  args: Values<typeof stageOnDataFlags> & { readonly data: string },
  seed: number,
  signal: AbortSignal,
) {
  const entry = await classifierOrFile(args.model);
  const found = await openData(args, signal);
  const { images, labels } = found.train;
  const order = usualOrder(images)(labels.length, seed, 0);
  const set: DataSet = { ...found, train: subset(found.train, order) };
  return { set, entry, network: buildModel(entry, set, args.width, seed) };
}

/** Images that are read for the rate. */
const RATED = 256;

/**
 * Images that are read and decoded in a second where nothing else is done; undefined where they are
 * in memory, or where there are none that nobody has read: those may be kept.
 * @param read how many of the split's images were read before
 */
export async function readingRate({ images, labels }: Split, read: number) {
  if (images instanceof Uint8Array || read + RATED > labels.length) return undefined;
  const unread = Uint32Array.from({ length: RATED }, (_, i) => read + i);
  return 1000 * RATED / await millisecondsOf(images, unread);
}

async function millisecondsOf(images: ImageSource, indices: Uint32Array): Promise<number> {
  const begun = performance.now();
  await images.read(indices);
  return performance.now() - begun;
}
