/**
 * Image folders: image files of any size in a folder for each class, or with tables. The
 * files stay where they are and are read batch by batch.
 *
 * mini-ImageNet comes so, with images and train.csv, val.csv, test.csv, whose classes are disjoint
 * (it was made for learning from few examples: Vinyals and others 2016, Ravi and Larochelle 2017).
 * A classifier needs all classes in both parts; so the parts are put together and divided anew.
 */
import type { DataSet } from "./dataset.ts";
import { imageNames, listImages, type ListOptions } from "./folder_listing.ts";
import { type ImageSet, imageSet, type ImageSetOptions } from "./image_set.ts";
import { Notes } from "./notes.ts";

const [mean, std] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/** With the values of ImageNet, as is the custom for photographs. */
export const imageFolder: ImageSet = {
  name: "folder",
  preparation: { mean, std, augmentation: { cropPadding: 0, flip: true } },
  smaller: true,
};

/** Source of the values: Feng and others, "Model Doctor" (AAAI 2022), the authors' scripts. */
export const miniImageNet: ImageSet = {
  name: "mini-imagenet",
  preparation: { mean, std, augmentation: { cropPadding: 0, flip: true, flipVertical: true } },
  smaller: false,
};

export type FolderOptions = ListOptions & ImageSetOptions;

/** @throws UserError (data) that names the file or folder and what is wrong with it */
export async function readFolder(
  set: ImageSet,
  folder: string,
  options: FolderOptions = {},
): Promise<DataSet> {
  const notes = new Notes();
  const listed = await listImages(folder, options, notes);
  const classes = [...new Set(listed.labels)].sort();
  const names = imageNames(folder, listed);
  return await imageSet(set, { place: folder, listed, classes, names }, options, notes);
}
