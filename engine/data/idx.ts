/**
 * The idx format of MNIST and its kin: two zero bytes, a type code, the number of dimensions, each
 * dimension as a big-endian 32-bit number, then the values. Files may be gzipped or not.
 *
 * Source: the description at yann.lecun.com/exdb/mnist.
 */
import { join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, readBytes } from "../io/files.ts";
import { inflate, inflateBeginning, isGzip } from "../io/inflate.ts";
import { dataExpansion } from "../io/limits.ts";
import type { DataSet, MemorySplit, Preparation, Size } from "./dataset.ts";
import type { Source } from "./sources.ts";

/** What distinguishes one set of the family from another. */
export interface IdxSet {
  readonly name: string;
  readonly classes: readonly string[];
  readonly preparation: Preparation;
  readonly source: Source;
}

/** Source of the values: Feng and others, "Model Doctor" (AAAI 2022), the authors' scripts. */
export const mnist: IdxSet = {
  name: "mnist",
  classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
  preparation: {
    mean: [0.1307],
    std: [0.3081],
    augmentation: { cropPadding: 2, flip: false },
  },
  source: {
    name: "mnist",
    base: "https://ossci-datasets.s3.amazonaws.com/mnist/",
    algorithm: "sha256",
    files: {
      "train-images-idx3-ubyte.gz":
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
      "train-labels-idx1-ubyte.gz":
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
      "t10k-images-idx3-ubyte.gz":
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
      "t10k-labels-idx1-ubyte.gz":
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
  },
};

/** Source of the values: as of MNIST; of the names: github.com/zalandoresearch/fashion-mnist. */
export const fashionMnist: IdxSet = {
  name: "fashion-mnist",
  classes: [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
  ],
  preparation: {
    mean: [0.286],
    std: [0.353],
    augmentation: { cropPadding: 0, flip: true },
  },
  source: {
    name: "fashion-mnist",
    base: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    algorithm: "sha256",
    files: {
      "train-images-idx3-ubyte.gz":
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
      "train-labels-idx1-ubyte.gz":
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
      "t10k-images-idx3-ubyte.gz":
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
      "t10k-labels-idx1-ubyte.gz":
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
  },
};

const size = 32;
const unsignedByte = 0x08;

/**
 * Reads the four files of a set from a folder; batches resize the images to 32 x 32.
 * @throws UserError (data) that names the file and what is wrong with it
 */
export async function readIdxSet(set: IdxSet, folder: string): Promise<DataSet<MemorySplit>> {
  const [train, test] = [
    await readSplit(set, folder, "train"),
    await readSplit(set, folder, "t10k"),
  ];
  if (!sameSize(train.size, test.size)) {
    throw new UserError(
      `${set.name}: the training images in ${folder} are ${showSize(train.size)}, ` +
        `the test images ${showSize(test.size)}`,
      ExitCode.data,
    );
  }
  return {
    name: set.name,
    classes: set.classes,
    height: size,
    width: size,
    channels: 1,
    stored: train.size,
    ...set.preparation,
    train: train.split,
    test: test.split,
    source: `${folder} (${train.split.labels.length} training and ` +
      `${test.split.labels.length} test images)`,
  };
}

const sameSize = (a: Size, b: Size) => a.height === b.height && a.width === b.width;
const showSize = ({ height, width }: Size) => `${width} x ${height}`;

async function readSplit(
  set: IdxSet,
  folder: string,
  prefix: string,
): Promise<{ split: MemorySplit; size: Size }> {
  const images = await readIdx(set.name, folder, `${prefix}-images-idx3-ubyte`, 3);
  const labels = await readIdx(set.name, folder, `${prefix}-labels-idx1-ubyte`, 1);
  const [n, height, width] = images.shape;
  if (n !== labels.shape[0]) {
    throw new UserError(
      `${images.path} holds ${n} images, but ${labels.path} holds ${labels.shape[0]} labels`,
      ExitCode.data,
    );
  }
  const wrong = labels.data.findIndex((label) => label >= set.classes.length);
  if (wrong >= 0) {
    throw new UserError(
      `${labels.path}: label ${wrong} is ${labels.data[wrong]}, ` +
        `but ${set.name} has the classes 0 to ${set.classes.length - 1}`,
      ExitCode.data,
    );
  }
  return {
    split: { images: images.data, labels: Uint16Array.from(labels.data) },
    size: { height, width },
  };
}

interface Idx {
  readonly path: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array<ArrayBuffer>;
}

async function readIdx(
  set: string,
  folder: string,
  file: string,
  dimensions: number,
): Promise<Idx> {
  const path = await findFile(set, folder, file);
  const bytes = await readBytes(path, ExitCode.data);
  return {
    path,
    ...decodeIdx(isGzip(bytes) ? await unfolded(bytes, path, dimensions) : bytes, path, dimensions),
  };
}

/** The bytes of a gzipped file, as many as its header promises. */
async function unfolded(bytes: Uint8Array, name: string, dimensions: number) {
  const compressed = { bytes, format: "gzip", name } as const;
  const start = await inflateBeginning(compressed, headerBytes(dimensions));
  const { needed } = readHeader(start, name, dimensions);
  const length = start.length + needed;
  const most = dataExpansion(bytes.length);
  if (length <= most) return await inflate(compressed, length);
  throw new UserError(
    `${name}: its header promises ${length} bytes, but ${bytes.length} compressed ones may ` +
      `unfold to ${most} at most`,
    ExitCode.data,
    "If the file is right, unpack it.",
  );
}

/** The file under any of its common names: gzipped or not, and `images.idx3` for `images-idx3`. */
async function findFile(set: string, folder: string, file: string): Promise<string> {
  const dotted = file.replace("-idx", ".idx");
  for (const candidate of [`${file}.gz`, file, `${dotted}.gz`, dotted]) {
    const path = join(folder, candidate);
    if (await fileExists(path)) return path;
  }
  throw new UserError(
    `${set}: there is no ${file}.gz in ${folder}`,
    ExitCode.data,
    "The folder needs the four files of the set: {train,t10k}-{images-idx3,labels-idx1}-ubyte.gz " +
      "(or without .gz).",
  );
}

/**
 * Decodes uncompressed idx bytes.
 * @param name the file, for messages
 * @param dimensions how many the file must have
 * @throws UserError (data) that names the file and what was found and expected
 */
export function decodeIdx(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  dimensions: number,
): { shape: number[]; data: Uint8Array<ArrayBuffer> } {
  const start = headerBytes(dimensions);
  const { shape, needed } = readHeader(bytes, name, dimensions);
  if (bytes.length - start !== needed) {
    throw new UserError(
      `${name}: ${bytes.length - start < needed ? "truncated" : "too long"}: ` +
        `${shape.join(" x ")} values take ${needed} bytes, but ${bytes.length - start} follow`,
      ExitCode.data,
    );
  }
  return { shape, data: bytes.subarray(start) };
}

const headerBytes = (dimensions: number) => 4 + 4 * dimensions;

/** The dimensions that the header states, and the bytes that have to follow it. */
function readHeader(
  bytes: Uint8Array,
  name: string,
  dimensions: number,
): { shape: number[]; needed: number } {
  const start = headerBytes(dimensions);
  if (bytes.length < start) {
    throw new UserError(
      `${name}: truncated: ${bytes.length} bytes, but an idx header takes ${start}`,
      ExitCode.data,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [found, expected] = [view.getUint32(0), (unsignedByte << 8) | dimensions];
  if (found !== expected) {
    throw new UserError(
      `${name}: not the idx file it should be: its magic number is ${found}, not ${expected}`,
      ExitCode.data,
    );
  }
  const shape = Array.from({ length: dimensions }, (_, d) => view.getUint32(4 + 4 * d));
  const needed = shape.reduce((product, n) => product * n, 1);
  if (needed === 0) {
    throw new UserError(`${name}: it is empty: ${shape.join(" x ")}`, ExitCode.data);
  }
  return { shape, needed };
}
