/** Images, their annotations and tables, and the files of data sets. */
import sharp from "sharp";
import { cifar10, readCifar } from "../../engine/data/cifar.ts";
import { listImages } from "../../engine/data/folder_listing.ts";
import { mnist, readIdxSet } from "../../engine/data/idx.ts";
import { readLabelMe } from "../../engine/data/labelme.ts";
import { Notes } from "../../engine/data/notes.ts";
import { rasterise } from "../../engine/data/raster.ts";
import { readStl10 } from "../../engine/data/stl10.ts";
import { readSvhn } from "../../engine/data/svhn.ts";
import { decodeImage, encodePng } from "../../engine/io/image.ts";
import { fuzz, fuzzFile, fuzzJson, text } from "../support/fuzz.ts";
import { matHead, word } from "../support/fuzz_samples.ts";
import { concat, gzip } from "../support/io.ts";

const png = encodePng({ height: 5, width: 7, channels: 3, data: new Uint8Array(105).fill(99) });
const grey = encodePng({ height: 4, width: 4, channels: 1, data: new Uint8Array(16) });
const photo = sharp({ create: { width: 9, height: 6, channels: 3, background: "teal" } });
const formats = ["jpeg", "webp", "gif", "tiff"] as const;
const upright = { orientation: 6 };
const photos = await Promise.all(
  formats.map((format) => photo.clone().toFormat(format).withMetadata(upright).toBuffer()),
);
fuzz("images", [png, grey, ...photos], (bytes) => decodeImage(bytes, "a"));
const drawn = (shape_type: string, ...points: number[][]) => ({ label: "a", points, shape_type });
fuzzJson("LabelMe's files", {
  ...{ version: "5", imageHeight: 20, imageWidth: 30, imagePath: "a.png" },
  shapes: [
    drawn("polygon", [0, 0], [9, 0], [0, 9]),
    drawn("rectangle", [1, 1], [5, 5]),
    drawn("circle", [9, 9], [12, 9]),
    { ...drawn("mask", [2, 2], [5, 5]), mask: grey.toBase64() },
    { ...drawn("rectangle", [2, 2], [3, 3]), label: "background" },
  ],
}, async (_, json) => {
  const { shape, size } = await readLabelMe(json, "a.json");
  await rasterise(shape, size, { height: 16, width: 16 });
});
fuzzFile(
  "tables of images",
  {
    "labels.csv": text("file,label,split\na.png,cat,train\nb.png,dog,test\n"),
    "a.png": png,
    "b.png": png,
  },
  "labels.csv",
  (folder) => listImages(folder, {}, new Notes()),
);
const idx = (...dimensions: number[]) =>
  concat(
    [0, 0, 8, dimensions.length],
    ...dimensions.map((n) => word(n).reverse()),
    new Uint8Array(
      dimensions.reduce((a, b) => a * b),
    ),
  );
const idxFiles = Object.fromEntries(["train", "t10k"].flatMap((part) => [
  [`${part}-images-idx3-ubyte.gz`, gzip(idx(2, 4, 4))],
  [`${part}-labels-idx1-ubyte`, idx(2)],
]));
fuzzFile(
  "idx, gzipped",
  idxFiles,
  "train-images-idx3-ubyte.gz",
  (folder) => readIdxSet(mnist, folder),
);
fuzzFile("idx", idxFiles, "t10k-labels-idx1-ubyte", (folder) => readIdxSet(mnist, folder));
const record = new Uint8Array(3073);
fuzzFile(
  "CIFAR's files",
  { "data_batch_1.bin": concat(record, record), "test_batch.bin": record },
  "data_batch_1.bin",
  (folder) => readCifar(cifar10, folder),
);
const planes = new Uint8Array(3 * 96 * 96);
fuzzFile(
  "STL-10's files",
  {
    ...{ "train_X.bin": planes, "test_X.bin": planes },
    ...{ "train_y.bin": Uint8Array.of(1), "test_y.bin": Uint8Array.of(2) },
  },
  "train_y.bin",
  readStl10,
);
const digit = (name: string, shape: number[], values: Uint8Array) => {
  const inner = concat(
    ...[word(6), word(8), [9, 0, 0, 0, 0, 0, 0, 0]],
    ...[word(5), word(4 * shape.length), shape.flatMap(word), new Uint8Array(shape.length % 2 * 4)],
    ...[[1, 0, 1, 0], text(name), [0, 0, 0], word(2), word(values.length), values],
    new Uint8Array((8 - values.length % 8) % 8),
  );
  return concat(word(14), word(inner.length), inner);
};
const svhn = concat(
  matHead,
  digit("X", [32, 32, 3, 1], new Uint8Array(3072)),
  digit("y", [1, 1], Uint8Array.of(1)),
);
fuzzFile(
  "SVHN's files",
  { "train_32x32.mat": svhn, "test_32x32.mat": svhn },
  "train_32x32.mat",
  readSvhn,
);
