/** Exports the images that want a mask, and takes the drawn masks back. */

import { join } from "node:path";
import { ACCOUNT, accountOf } from "../engine/data/account.ts";
import { type DataSet, NO_MASK, type Split, trainingImages } from "../engine/data/dataset.ts";
import { PICTURES, withMaskFiles } from "../engine/data/mask_files.ts";
import { siftLow } from "../engine/doctor/sift.ts";
import { exportSift, type Manifest, readManifest } from "../engine/doctor/sift_folder.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { predictions } from "../engine/train/predictions.ts";
import { Predictor } from "../engine/train/predict.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import { describeAccount } from "./account.ts";
import { batchFlag, MAX_IMAGES, seedFlag, trainingImagesFlags } from "./train_flags.ts";
import { dataFlags, openData } from "./data.ts";
import { freeFolder } from "./open_run.ts";
import { introduce, StageBars } from "./stage_bars.ts";
import { modelFlags, weightsFlag } from "./model_flags.ts";
import { percent } from "../engine/prose.ts";
import { exactFlag } from "./exact.ts";
import { defineCommand } from "./framework/command.ts";
import { table } from "./framework/table.ts";
import { openTrained } from "./trained.ts";

export const command = defineCommand({
  name: "sift",
  summary: "Export the images that want a mask, and take the drawn masks back",
  description:
    "Writes for each class the training images that are right with the lowest confidence and wrong " +
    "with the highest, as pictures to draw on in LabelMe, and manifest.json with the reasons. " +
    "LabelMe saves a .json beside each picture; --import checks what was drawn. The space-wise " +
    "constraint then takes the folder: deno task treat --masks DIR --beta 1. Images without a " +
    "mask have no part in it.",
  flags: {
    ...modelFlags,
    ...dataFlags,
    weights: { ...weightsFlag.weights, required: false },
    imagesPerClass: {
      type: "integer",
      min: 1,
      max: MAX_IMAGES,
      default: 10,
      help: "images of a class to export of either kind",
    },
    ...batchFlag,
    ...exactFlag,
    ...seedFlag,
    ...trainingImagesFlags,
    import: {
      type: "string",
      value: "DIR",
      help: "check the masks drawn in such a folder",
      mode: Object.keys(dataFlags),
    },
  },
  examples: [
    {
      args: "--data cifar10 --data-dir DIR --weights model.safetensors --out to-draw",
      does: "pictures to draw on",
    },
    { args: "--data cifar10 --data-dir DIR --import to-draw", does: "what was drawn" },
  ],
  async run(args, context) {
    if (args.import !== undefined) {
      const set = await openData(args, context.signal);
      const manifest = await readManifest(args.import, set);
      const masked = await withMaskFiles(set, args.import);
      context.print(describeAccount(accountOf(masked, { training: masked.train })));
      context.print(describeDrawn(masked, manifest));
      context.print(
        `\nuse them: deno task treat --masks ${args.import} --beta 1, with this --data`,
      );
      return;
    }
    if (args.weights === undefined) {
      throw new UserError(
        "--weights is missing: which images want a mask follows from a trained model",
        ExitCode.usage,
        "give the weights, or with --import a folder in which masks were drawn",
      );
    }
    const { weights } = args;
    const { runtime, set, network } = await openTrained({ ...args, weights }, context);
    const folder = args.out ?? await freeFolder("sift", args);
    const run = await RunFolder.create(folder, { command: "sift", ...args });

    introduce(context.print, args.model, network, set, runtime.gpu.adapter.name, folder);
    const images = trainingImages(set, args);
    const account = accountOf(set, { training: images });
    context.print(describeAccount(account));
    await run.writeJson(ACCOUNT, account);
    const bars = new StageBars(context);
    const predictor = await Predictor.make(runtime, network, set, images, args.batch);
    const predicted = predictions(
      await predictor.predict({
        signal: context.signal,
        onProgress: (done, total) => bars.looked("sift", done, total),
      }),
    );
    const low = siftLow(predicted, set.classes.length, args.imagesPerClass);
    const { images: wanted } = await exportSift(folder, set, images, predicted, low);
    context.print(describeWanted(set, wanted));
    context.print(
      `\n${wanted.length} images in ${folder}\n` +
        // Broken as a shell takes it.
        `draw:  labelme ${join(folder, PICTURES)} \\\n` +
        `         --labels ${join(folder, "labels.txt")} --nodata\n` +
        `check: deno task sift --import ${folder}, with this --data`,
    );
  },
});

function describeWanted({ classes }: DataSet, wanted: Manifest["images"]): string {
  const rows = classes.map((name) => {
    const own = wanted.filter((image) => image.class === name);
    const wrong = own.filter(({ why }) => why.startsWith("wrong"));
    const confused = [...new Set(wrong.map(({ predicted }) => predicted))].slice(0, 3);
    return [name, `${own.length - wrong.length}`, `${wrong.length}`, confused.join(", ")];
  });
  return table(["class", "right, unsure", "wrong, sure", "taken for"], rows);
}

/** For each class how many of the exported images have a mask by now, and how large they are. */
function describeDrawn(set: DataSet, { images }: Manifest): string {
  const sizes = figureShares([set.train, set.validation, set.test]);
  const rows = set.classes.map((name) => {
    const own = images.filter((image) => image.class === name);
    const drawn = own.map((image) => sizes.get(image.name)).filter((share) => share !== undefined);
    const mean = drawn.reduce((sum, share) => sum + share, 0) / drawn.length;
    return [name, `${own.length}`, `${drawn.length}`, drawn.length > 0 ? percent(mean, 1) : ""];
  });
  return table(["class", "images", "with a mask", "figure covers"], rows);
}

/** The share of each image that is figure, by name, where there is a mask. */
function figureShares(splits: readonly (Split | undefined)[]): Map<string, number> {
  const shares = new Map<string, number>();
  for (const { masks, names } of splits.filter((split) => split !== undefined)) {
    masks?.rows.forEach((row, i) => {
      if (row === NO_MASK) return;
      const size = masks.coverage.length / masks.count;
      const own = masks.coverage.subarray(row * size, (row + 1) * size);
      shares.set(names!.at(i)!, own.reduce((sum, share) => sum + share, 0) / (255 * size));
    });
  }
  return shares;
}
