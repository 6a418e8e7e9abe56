/**
 * SVHN's cropped digits: .mat files of version 5 with X (32 x 32 x 3 x n, bytes) and y (n x 1),
 * stored column by column. The digit 0 has the label 10.
 *
 * Source: Netzer and others, ufldl.stanford.edu/housenumbers
 */
import { join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, readBytes } from "../io/files.ts";
import { readMat } from "../io/mat.ts";
import type { DataSet, MemorySplit, Preparation } from "./dataset.ts";
import { interleaveColumns } from "./planes.ts";
import type { Source } from "./sources.ts";

/** Mean and standard deviation of the training images. A mirrored digit is no digit. */
const preparation: Preparation = {
  mean: [0.4377, 0.4438, 0.4728],
  std: [0.1980, 0.2010, 0.1970],
  augmentation: { cropPadding: 4, flip: false },
};

const size = { height: 32, width: 32 };
const classes = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

const files = { train: "train_32x32.mat", test: "test_32x32.mat" };

export const svhnSource: Source = {
  name: "svhn",
  base: "http://ufldl.stanford.edu/housenumbers/",
  algorithm: "md5",
  files: {
    [files.train]: "e26dedcc434d2e4c54c9b2d4a06d8373",
    [files.test]: "eb5a983be6a315427106f1b164d9cef3",
  },
};

/** @throws UserError (data) that names the file and what is wrong with it */
export async function readSvhn(folder: string): Promise<DataSet<MemorySplit>> {
  const train = await readSplit(join(folder, files.train));
  const test = await readSplit(join(folder, files.test));
  return {
    ...{ name: "svhn", classes, ...size, channels: 3, ...preparation, train, test },
    source: `${folder} (${train.labels.length} training and ${test.labels.length} test images)`,
  };
}

async function readSplit(path: string): Promise<MemorySplit> {
  if (!await fileExists(path)) {
    throw new UserError(
      `svhn: there is no ${path}`,
      ExitCode.data,
      `The folder needs the cropped digits: ${Object.values(files).join(" and ")}.`,
    );
  }
  const arrays = await readMat(await readBytes(path, ExitCode.data), path);
  const [images, labels] = [arrays.get("X"), arrays.get("y")];
  const problem = (what: string) =>
    new UserError(
      `${path}: ${what}`,
      ExitCode.data,
      "Check that it is a file of SVHN's cropped digits (format 2).",
    );
  if (!images || !labels) throw problem(`there is no array ${images ? "y" : "X"} in it`);
  const [height, width, channels, n = 1] = images.shape;
  if (height !== 32 || width !== 32 || channels !== 3 || !(images.data instanceof Uint8Array)) {
    throw problem(`X is ${images.shape.join(" x ")}, not 32 x 32 x 3 x n bytes`);
  }
  if (labels.data.length !== n) {
    throw problem(`X holds ${n} images, but y ${labels.data.length} labels`);
  }
  const wrong = labels.data.findIndex((label) => !(label >= 1 && label <= 10 && label % 1 === 0));
  if (wrong >= 0) {
    throw problem(
      `label ${wrong} of y is ${labels.data[wrong]}, but they are 1 to 10 (the digit 0)`,
    );
  }
  const pixels = await interleaveColumns(images.data, size, 3);
  return { images: pixels, labels: Uint16Array.from(labels.data, (label) => label % 10) };
}
