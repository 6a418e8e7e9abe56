/**
 * CIFAR's binary versions: records of label bytes (CIFAR-10 one; CIFAR-100 the coarse and the fine
 * one) and 3072 pixel bytes, the red plane, then green, then blue, each 32 x 32 in row-major order.
 *
 * Source: Krizhevsky, www.cs.toronto.edu/~kriz/cifar.html
 */
import { basename, join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, readBytes } from "../io/files.ts";
import { Turns } from "../io/turns.ts";
import type { DataSet, MemorySplit, Preparation } from "./dataset.ts";
import { Notes } from "./notes.ts";
import { interleave } from "./planes.ts";
import type { Source } from "./sources.ts";

/** What distinguishes one set of the family from another. */
export interface CifarSet {
  readonly name: string;
  readonly classes: readonly string[];
  readonly preparation: Preparation;
  /** The folder inside the official archive. */
  readonly folder: string;
  /** Any of them may be missing, but not all. */
  readonly trainFiles: readonly string[];
  readonly testFile: string;
  /** Label bytes of a record, and which of them is the class. */
  readonly labelBytes: number;
  readonly labelAt: number;
  /** The archive with its checksum. */
  readonly archive: Pick<Source, "name" | "files">;
}

const augmentation = { cropPadding: 4, flip: true };

export const cifar10: CifarSet = {
  name: "cifar10",
  classes: "airplane automobile bird cat deer dog frog horse ship truck".split(" "),
  /** Source of the values: Feng and others, "Model Doctor" (AAAI 2022), the authors' scripts. */
  preparation: { mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.2010], augmentation },
  folder: "cifar-10-batches-bin",
  trainFiles: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
  testFile: "test_batch.bin",
  labelBytes: 1,
  labelAt: 0,
  archive: {
    name: "cifar10",
    files: { "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530" },
  },
};

/** By the fine classes. */
export const cifar100: CifarSet = {
  name: "cifar100",
  // deno-fmt-ignore
  classes: (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus " +
    "butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch " +
    "crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo " +
    "keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain " +
    "mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain " +
    "plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk " +
    "skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone " +
    "television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
  ).split(" "),
  /** Mean and standard deviation of the training images. */
  preparation: { mean: [0.5071, 0.4867, 0.4408], std: [0.2675, 0.2565, 0.2761], augmentation },
  folder: "cifar-100-binary",
  trainFiles: ["train.bin"],
  testFile: "test.bin",
  labelBytes: 2,
  labelAt: 1,
  archive: {
    name: "cifar100",
    files: { "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8" },
  },
};

/** CIFAR-100 by its twenty coarse classes. */
export const cifar100Coarse: CifarSet = {
  ...cifar100,
  name: "cifar100-coarse",
  // deno-fmt-ignore
  classes: (
    "aquatic_mammals fish flowers food_containers fruit_and_vegetables " +
    "household_electrical_devices household_furniture insects large_carnivores " +
    "large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores " +
    "medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 " +
    "vehicles_2"
  ).split(" "),
  labelAt: 0,
};

/** Where a set of the family is published. */
export function cifarSource({ archive, folder, trainFiles, testFile }: CifarSet): Source {
  return {
    ...archive,
    base: "https://www.cs.toronto.edu/~kriz/",
    algorithm: "md5",
    unpack: [...trainFiles, testFile].map((file) => `${folder}/${file}`),
  };
}

const size = { height: 32, width: 32 };
const imageBytes = 3 * size.height * size.width;

/**
 * Reads the training files that a folder holds and the test file.
 * @param folder with the files, or with the archive's folder in it
 * @throws UserError (data) that names the file and what is wrong with it
 */
export async function readCifar(set: CifarSet, folder: string): Promise<DataSet<MemorySplit>> {
  const { name, classes, preparation, trainFiles, testFile } = set;
  const inside = await locate(set, folder);
  const present: string[] = [];
  for (const file of trainFiles) {
    if (await fileExists(join(inside, file))) present.push(join(inside, file));
  }
  if (present.length === 0) throw missing(set, inside, trainFiles.join(", "));
  const testPath = join(inside, testFile);
  if (!await fileExists(testPath)) throw missing(set, inside, testFile);

  const train = await readRecords(set, present);
  const test = await readRecords(set, [testPath]);
  const notes = new Notes();
  if (present.length < trainFiles.length) {
    const missing = trainFiles.filter((file) => !present.includes(join(inside, file)));
    notes.warn(`${missing.join(", ")} is missing in ${inside}: training does without`);
  }
  return {
    notes,
    ...{ name, classes, ...size, channels: 3, ...preparation, train, test },
    source: `${inside} (${present.length} of ${trainFiles.length} training ` +
      `${trainFiles.length === 1 ? "files" : "batches"}: ${train.labels.length} images in ` +
      `${present.map((path) => basename(path)).join(", ")}; ${test.labels.length} test images)`,
  };
}

async function locate({ folder: inner, ...set }: CifarSet, folder: string): Promise<string> {
  for (const file of [...set.trainFiles, set.testFile]) {
    if (await fileExists(join(folder, file))) return folder;
    if (await fileExists(join(folder, inner, file))) return join(folder, inner);
  }
  return folder;
}

function missing({ name, trainFiles, testFile }: CifarSet, folder: string, file: string) {
  return new UserError(
    `${name}: there is no ${file} in ${folder}`,
    ExitCode.data,
    `The folder needs files of the binary version: ${trainFiles.join(", ")} and ${testFile}.`,
  );
}

async function readRecords(set: CifarSet, paths: readonly string[]): Promise<MemorySplit> {
  const files: Uint8Array[] = [];
  for (const path of paths) files.push(await readFile(set, path));
  const record = set.labelBytes + imageBytes;
  const n = files.reduce((sum, file) => sum + file.length / record, 0);
  const images = new Uint8Array(n * imageBytes);
  const labels = new Uint16Array(n);
  const turns = new Turns();
  let i = 0;
  for (const file of files) {
    for (let at = 0; at < file.length; at += record, i++) {
      labels[i] = file[at + set.labelAt];
      const planes = file.subarray(at + set.labelBytes, at + record);
      interleave(planes, images, i * imageBytes, size, 3);
      await turns.pass();
    }
  }
  return { images, labels };
}

async function readFile(set: CifarSet, path: string): Promise<Uint8Array> {
  const { name, classes, labelBytes, labelAt } = set;
  const record = labelBytes + imageBytes;
  const bytes = await readBytes(path, ExitCode.data);
  if (bytes.length === 0 || bytes.length % record !== 0) {
    throw new UserError(
      `${path}: truncated, too long, or no file of ${name}: ${bytes.length} bytes are ` +
        `${Math.floor(bytes.length / record)} records of ${record} bytes and ` +
        `${bytes.length % record} bytes more`,
      ExitCode.data,
      "Get the file again.",
    );
  }
  for (let at = 0; at < bytes.length; at += record) {
    const label = bytes[at + labelAt];
    if (label < classes.length) continue;
    throw new UserError(
      `${path}: record ${at / record} has label ${label}, but the classes are ` +
        `0 to ${classes.length - 1}`,
      ExitCode.data,
      `Check that it is a file of ${name}'s binary version.`,
    );
  }
  return bytes;
}
