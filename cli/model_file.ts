/**
 * A classifier in a file, where the name of one of these stands: an ONNX graph, or an entry as the
 * registry has them, written in TypeScript.
 */

import { parse, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import * as v from "valibot";
import { ExitCode, UserError } from "../engine/errors.ts";
import { featureLayer } from "../engine/onnx/features.ts";
import { withNewHead } from "../engine/onnx/head.ts";
import { readOnnx } from "../engine/onnx/model.ts";
import { OnnxNetwork } from "../engine/onnx/network.ts";
import type { ClassifierEntry, ClassifierOptions } from "../models/classifier.ts";
import { classifier } from "../models/registry.ts";

/** Whether what stands for a model is a file of ONNX, which has weights too. */
export const isOnnx = (name: string): boolean => /\.onnx$/i.test(name);

/** Whether what stands for a model is a file. */
export const isModelFile = (name: string): boolean => isOnnx(name) || /\.[jt]s$/i.test(name);

/** A model's name as a part of a folder's: a file's is its own, without where it lies. */
export const modelFileName = (model: string): string =>
  isModelFile(model) ? parse(model).name.replace(/[^\w.-]+/g, "_") : model;

/** The size of images of a graph that takes any, where a layer is looked for. */
const ANY_SIZE = 224;

/** A new last layer, for as many classes, with starting weights that follow from the seed. */
export interface NewHead {
  readonly classes: number;
  readonly seed: number;
}

/**
 * The classifier of a name, or in a file.
 * @param head a new last layer, for a file of ONNX
 * @throws UserError (usage) that names the nearest classifier, or as reading the file does
 */
export async function classifierOrFile(name: string, head?: NewHead): Promise<ClassifierEntry> {
  if (!isModelFile(name)) return classifier(name);
  return await (isOnnx(name) ? onnxClassifier(name, head) : scriptClassifier(name));
}

/** What a file in TypeScript exports by default. */
const entrySchema = v.looseObject({
  name: v.string(),
  featureLayer: v.string(),
  create: v.function(),
});

/**
 * The entry that a file exports. It is a program, and is run as this one is.
 * @throws UserError (usage) where it can't be loaded, or exports none
 */
async function scriptClassifier(path: string): Promise<ClassifierEntry> {
  const wrong = (problem: string) =>
    new UserError(
      `${path} ${problem}`,
      ExitCode.usage,
      "a model's file exports by default { name, featureLayer, create }; see models/README.md",
    );
  const loaded = await import(pathToFileURL(resolve(path)).href).catch((error) => {
    throw wrong(`can't be loaded: ${error instanceof Error ? error.message : error}`);
  });
  const { success, output, issues } = v.safeParse(entrySchema, loaded.default);
  if (!success) throw wrong(`exports no model: ${v.getDotPath(issues[0]) ?? "default"} is missing`);
  return { summary: path, ...output } as unknown as ClassifierEntry;
}

/**
 * The classifier in a file of ONNX. Its network is made of the file's images and classes, or refused.
 * @throws UserError (weights) where the file can't be read, or holds no classifier of images
 */
async function onnxClassifier(path: string, head?: NewHead): Promise<ClassifierEntry> {
  const given = await readOnnx(path);
  const model = head ? await withNewHead(given, head.classes, head.seed) : given;
  const network = new OnnxNetwork(model);
  const { channels, height, width } = network.images;
  if (height !== width) {
    throw new UserError(
      `${path} wants images of ${height} x ${width} pixels, and images are square here`,
      ExitCode.weights,
      "export it for square images",
    );
  }
  const size = height ?? ANY_SIZE;
  return {
    name: path,
    summary: `${model.producer || "ONNX"}, operator set ${model.opset}`,
    imageSize: size,
    fixed: { inChannels: channels, numClasses: network.classes(size), imageSize: height },
    featureLayer: featureLayer(network, [size, size, channels]),
    create: (options) => checked(new OnnxNetwork(model), path, options),
  };
}

function checked(network: OnnxNetwork, path: string, options: ClassifierOptions): OnnxNetwork {
  const { channels, height } = network.images;
  const { inChannels, imageSize, numClasses } = options;
  const wrong = (problem: string, hint: string) =>
    new UserError(`${path} ${problem}`, ExitCode.usage, hint);
  if (channels !== inChannels) {
    throw wrong(
      `takes images of ${channels} channels, and these have ${inChannels}`,
      "choose data with as many, or export the network for these",
    );
  }
  if (height !== undefined && height !== imageSize) {
    throw wrong(
      `takes images of ${height} x ${height} pixels, not ${imageSize} x ${imageSize}`,
      `leave --size out, or export the network with open height and width`,
    );
  }
  const classes = network.classes(imageSize);
  if (classes !== numClasses) {
    throw wrong(
      `tells ${classes} classes, and the data has ${numClasses}`,
      "choose the data that it was trained for, or train a new last layer (--new-head of train " +
        "and treat)",
    );
  }
  return network;
}
