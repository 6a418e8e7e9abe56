/**
 * STL-10's binary files: *_X.bin holds images of 96 x 96 as bytes, the red plane, then green, then
 * blue, each column by column; *_y.bin a byte from 1 to 10 for each. The unlabelled images are not
 * used.
 *
 * Source: Coates, Lee and Ng, cs.stanford.edu/~acoates/stl10
 */
import { join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, readBytes } from "../io/files.ts";
import type { DataSet, MemorySplit, Preparation } from "./dataset.ts";
import { interleaveColumns } from "./planes.ts";
import type { Source } from "./sources.ts";

/** Mean and standard deviation of the training images; the crop is CIFAR's at three times the size. */
const preparation: Preparation = {
  mean: [0.4467, 0.4398, 0.4066],
  std: [0.2603, 0.2566, 0.2713],
  augmentation: { cropPadding: 12, flip: true },
};

const classes = "airplane bird car cat deer dog horse monkey ship truck".split(" ");
const size = { height: 96, width: 96 };
const imageBytes = 3 * size.height * size.width;

/** The folder inside the official archive, and what of it is used. */
const archiveFolder = "stl10_binary";
const files = ["train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"];

export const stl10Source: Source = {
  name: "stl10",
  base: "http://ai.stanford.edu/~acoates/stl10/",
  algorithm: "md5",
  files: { "stl10_binary.tar.gz": "91f7769df0f17e558f3565bffb0c7dfb" },
  unpack: files.map((file) => `${archiveFolder}/${file}`),
};

/**
 * @param folder with the files, or with the archive's folder in it
 * @throws UserError (data) that names the file and what is wrong with it
 */
export async function readStl10(folder: string): Promise<DataSet<MemorySplit>> {
  const inner = join(folder, archiveFolder);
  const inside = await fileExists(join(inner, files[0])) ? inner : folder;
  for (const file of files) {
    if (await fileExists(join(inside, file))) continue;
    throw new UserError(
      `stl10: there is no ${file} in ${inside}`,
      ExitCode.data,
      `The folder needs the binary files ${files.join(", ")}.`,
    );
  }
  const train = await readSplit(inside, "train");
  const test = await readSplit(inside, "test");
  return {
    ...{ name: "stl10", classes, ...size, channels: 3, ...preparation, train, test },
    source: `${inside} (${train.labels.length} training and ${test.labels.length} test images)`,
  };
}

async function readSplit(folder: string, split: string): Promise<MemorySplit> {
  const [imagePath, labelPath] = ["X", "y"].map((part) => join(folder, `${split}_${part}.bin`));
  const planes = await readBytes(imagePath, ExitCode.data);
  const labels = await readBytes(labelPath, ExitCode.data);
  const problem = (what: string) => new UserError(what, ExitCode.data, "Get the file again.");
  const n = planes.length / imageBytes;
  if (n === 0 || !Number.isInteger(n)) {
    throw problem(
      `${imagePath}: truncated, too long, or no file of STL-10: ${planes.length} bytes are ` +
        `${Math.floor(n)} images of ${imageBytes} bytes and ${
          planes.length % imageBytes
        } bytes more`,
    );
  }
  if (labels.length !== n) {
    throw problem(`${imagePath} holds ${n} images, but ${labelPath} ${labels.length} labels`);
  }
  const wrong = labels.findIndex((label) => label < 1 || label > classes.length);
  if (wrong >= 0) {
    throw problem(`${labelPath}: label ${wrong} is ${labels[wrong]}, but they are 1 to 10`);
  }
  const images = await interleaveColumns(planes, size, 3);
  return { images, labels: Uint16Array.from(labels, (label) => label - 1) };
}
