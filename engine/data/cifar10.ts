/**
 * CIFAR-10's binary version: records of one label byte and 3072 pixel bytes, the red plane, then
 * green, then blue, each 32 x 32 in row-major order.
 *
 * Source: Krizhevsky, www.cs.toronto.edu/~kriz/cifar.html
 */
import { basename, join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, readBytes } from "../io/files.ts";
import type { DataSet, MemorySplit, Preparation } from "./dataset.ts";

const classes = [
  "airplane",
  "automobile",
  "bird",
  "cat",
  "deer",
  "dog",
  "frog",
  "horse",
  "ship",
  "truck",
];

/** Source of the values: Feng and others, "Model Doctor" (AAAI 2022), the authors' scripts. */
const preparation: Preparation = {
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.2023, 0.1994, 0.2010],
  augmentation: { cropPadding: 4, flip: true },
};

const size = 32;
const plane = size * size;
const record = 1 + 3 * plane;

/** The folder inside the official archive. */
export const cifar10Folder = "cifar-10-batches-bin";
export const cifar10TrainFiles = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
export const cifar10TestFile = "test_batch.bin";

/**
 * Reads the training batches that a folder holds (any of the five) and the test batch.
 * @param folder with the batches, or with the archive's folder in it
 * @throws UserError (data) that names the file and what is wrong with it
 */
export async function readCifar10(folder: string): Promise<DataSet<MemorySplit>> {
  const inside = await locate(folder);
  const present = [];
  for (const file of cifar10TrainFiles) {
    if (await fileExists(join(inside, file))) present.push(join(inside, file));
  }
  if (present.length === 0) throw missing(inside, "data_batch_1.bin (to data_batch_5.bin)");
  const testPath = join(inside, cifar10TestFile);
  if (!await fileExists(testPath)) throw missing(inside, cifar10TestFile);

  const train = await readBatches(present);
  const test = await readBatches([testPath]);
  return {
    name: "cifar10",
    classes,
    height: size,
    width: size,
    channels: 3,
    ...preparation,
    train,
    test,
    source: `${inside} (${present.length} of ${cifar10TrainFiles.length} training batches: ` +
      `${train.labels.length} images in ${present.map((path) => basename(path)).join(", ")}; ` +
      `${test.labels.length} test images)`,
  };
}

async function locate(folder: string): Promise<string> {
  const inner = join(folder, cifar10Folder);
  for (const file of [...cifar10TrainFiles, cifar10TestFile]) {
    if (await fileExists(join(folder, file))) return folder;
    if (await fileExists(join(inner, file))) return inner;
  }
  return folder;
}

function missing(folder: string, file: string): UserError {
  return new UserError(
    `cifar10: there is no ${file} in ${folder}`,
    ExitCode.data,
    "The folder needs files of CIFAR-10's binary version: data_batch_*.bin and test_batch.bin.",
  );
}

async function readBatches(paths: readonly string[]): Promise<MemorySplit> {
  const batches: Uint8Array[] = [];
  for (const path of paths) batches.push(await readBatch(path));
  const n = batches.reduce((sum, batch) => sum + batch.length / record, 0);
  const images = new Uint8Array(n * 3 * plane);
  const labels = new Uint16Array(n);
  let i = 0;
  for (const batch of batches) {
    for (let at = 0; at < batch.length; at += record, i++) {
      labels[i] = batch[at];
      interleave(batch.subarray(at + 1, at + record), images, i * 3 * plane);
    }
  }
  return { images, labels };
}

/** Writes three planes (3, H, W) as pixels (H, W, 3). */
function interleave(planes: Uint8Array, out: Uint8Array, start: number): void {
  for (let c = 0; c < 3; c++) {
    for (let p = 0, to = start + c; p < plane; p++, to += 3) out[to] = planes[c * plane + p];
  }
}

async function readBatch(path: string): Promise<Uint8Array> {
  const bytes = await readBytes(path, ExitCode.data);
  if (bytes.length === 0 || bytes.length % record !== 0) {
    throw new UserError(
      `${path}: truncated or not a CIFAR-10 batch: ${bytes.length} bytes are ` +
        `${Math.floor(bytes.length / record)} records of ${record} bytes and ` +
        `${bytes.length % record} bytes more`,
      ExitCode.data,
    );
  }
  for (let at = 0; at < bytes.length; at += record) {
    if (bytes[at] >= classes.length) {
      throw new UserError(
        `${path}: record ${at / record} has label ${bytes[at]}, but the classes are 0 to 9`,
        ExitCode.data,
      );
    }
  }
  return bytes;
}
