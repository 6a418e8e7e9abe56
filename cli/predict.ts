/** What a classifier says of images that nobody labelled. */

import type { DataSet } from "../engine/data/dataset.ts";
import { imageFolder } from "../engine/data/folder.ts";
import { filesUnder, isImage } from "../engine/data/folder_walk.ts";
import { ImageFiles } from "../engine/data/image_files.ts";
import { isNormalised, normalised } from "../engine/data/normalise.ts";
import { Notes } from "../engine/data/notes.ts";
import { type Look, look } from "../engine/doctor/look.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { encodeCsv } from "../engine/io/csv.ts";
import { imageSize } from "../engine/io/image.ts";
import { loadStateDict } from "../engine/nn/state.ts";
import { printable } from "../engine/printable.ts";
import { classifierOrFile } from "./model_file.ts";
import { batchFlag } from "./train_flags.ts";
import { modelFlags, weightsFlag } from "./model_flags.ts";
import { openModel } from "./open_model.ts";
import { labelled, percent } from "../engine/prose.ts";
import { StageBars } from "./stage_bars.ts";
import { dataFlags } from "./data.ts";
import { exactFlag, openRuntime } from "./exact.ts";
import { defineCommand } from "./framework/command.ts";
import { flagTable, type Values } from "./framework/flags.ts";
import { table } from "./framework/table.ts";
import { trainedWith } from "./trained_with.ts";
import { fittingWeights, openWeightsFile } from "./weights.ts";

const { size, mean, std, scale, colour } = dataFlags;
const flags = flagTable({
  images: {
    type: "list",
    of: "string",
    positional: true,
    required: true,
    value: "IMAGES",
    help: "images, and folders with images at any depth",
  },
  ...modelFlags,
  ...weightsFlag,
  classes: {
    type: "list",
    of: "string",
    help: "their names in order (default those of the run that the weights are from, or numbers)",
  },
  ...{ size, mean, std, scale, colour },
  ...batchFlag,
  ...exactFlag,
  format: {
    type: "choice",
    choices: ["table", "csv", "json"],
    default: "table",
    help: "how it is printed; json has the logits of all classes besides",
  },
});
type Args = Values<typeof flags>;

export const command = defineCommand({
  name: "predict",
  summary: "Say what a classifier sees in images, and where it looks",
  description:
    "For every image the likeliest class, the next one and their probabilities, and the ninth of the " +
    "image that has the largest share in the gradient of the predicted class. Images are prepared " +
    "as the run did that the weights are from. A network of one's own, from here or elsewhere, is " +
    "--model FILE.onnx; it needs no --weights.",
  flags,
  examples: [
    { args: "a.jpg b.jpg --weights runs/train-small-folder/model.safetensors", does: "two images" },
    {
      args: "photos --model runs/treat-my-folder/treated.onnx --format csv",
      does: "a folder, by a network of one's own",
    },
  ],
  async run(args, context) {
    const gpu = await context.gpu();
    const print = args.format === "table" ? context.print : () => {};
    const file = await openWeightsFile(args.weights);
    const { set, names } = await unlabelled(args, print);
    const { network } = await openModel(args, set, 0);
    const runtime = openRuntime(gpu, args);
    const weights = fittingWeights(file, network, set, print);
    loadStateDict(network, weights.state, runtime, weights.path);
    const bars = new StageBars(context);
    const found = await look(runtime, network, set, set.test, {
      batch: args.batch,
      signal: context.signal,
      onProgress: args.format === "table"
        ? (done, total) => bars.looked("predict", done, total)
        : undefined,
    });
    context.print(shown(args.format, names, found, set.classes));
  },
});

/** The images as a set with labels that say nothing, and their names. */
async function unlabelled(args: Args, print: (line: string) => void) {
  const before = await trainedWith(args.weights);
  const { imageSize: usual, fixed } = await classifierOrFile(args.model);
  const classes = args.classes ?? before?.classes ??
    (fixed && Array.from({ length: fixed.numClasses }, (_, k) => `${k}`));
  if (classes === undefined) {
    throw new UserError(
      `nothing tells the classes of ${args.weights}: no run left it`,
      ExitCode.usage,
      "name them in their order: --classes cat,dog",
    );
  }
  const paths = [...new Set((await Promise.all(args.images.map(imagesAt))).flat())];
  const side = args.size ?? fixed?.imageSize ?? before?.size ?? usual ?? 32;
  const files = await Promise.all(
    paths.map(async (path) => ({ path, size: await imageSize(path) })),
  );
  const images = new ImageFiles(files, { height: side, width: side }, before?.resizeMode);
  const split = { images, labels: new Uint16Array(paths.length), names: paths };
  const own = imageFolder.preparation;
  const { mean, std, colour } = before ?? own;
  const prepared = { ...own, mean, std, colour };
  const set: DataSet = normalised({
    ...prepared,
    ...{ name: "images", classes, height: side, width: side, channels: 3 },
    ...{ train: split, test: split, source: args.images.join(" ") },
  }, args);
  const whose = before ? `those of ${before.path}` : "ImageNet's";
  const [first] = args.images;
  const more = args.images.length > 1 ? ` and ${args.images.length - 1} more` : "";
  print(labelled(
    "images",
    `${paths.length} of ${first}${more} at ${side} x ${side} pixels; mean and std are ` +
      (isNormalised(args) ? "as asked for" : whose),
  ));
  return { set, names: paths };
}

async function imagesAt(place: string): Promise<string[]> {
  const { isDirectory = false } = await Deno.stat(place).catch(() =>
    ({}) as Partial<Deno.FileInfo>
  );
  if (!isDirectory) return [place];
  const paths = (await Array.fromAsync(filesUnder(place, new Notes()))).filter(isImage);
  if (paths.length > 0) return paths;
  throw new UserError(`${place} holds no images`, ExitCode.data);
}

function shown(
  format: string,
  names: readonly string[],
  found: readonly Look[],
  classes: readonly string[],
): string {
  const named = found.map(({ predicted, runnerUp, ...rest }, i) => ({
    image: names[i],
    class: classes[predicted],
    runner_up: classes[runnerUp],
    confidence: rest.confidence,
    runner_up_confidence: rest.runnerUpConfidence,
    looks: rest.field,
    share: rest.share,
  }));
  if (format === "json") {
    const all = named.map((row, i) => ({ ...row, logits: [...found[i].logits] }));
    return JSON.stringify(all, null, 2);
  }
  if (format === "csv") {
    return encodeCsv(Object.keys(named[0]), named.map((row) => Object.values(row))).trimEnd();
  }
  const rows = named.map((row) => [
    printable(row.image),
    row.class,
    percent(row.confidence, 1),
    `${row.runner_up} ${percent(row.runner_up_confidence, 1)}`,
    `${row.looks} ${percent(row.share, 0)}`,
  ]);
  return table(["image", "class", "confidence", "runner-up", "looks at"], rows);
}
