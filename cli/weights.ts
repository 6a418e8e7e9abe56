/**
 * Weights that are given: of the dicts in a file the one that fits the classifier, and where none
 * does, which classifier they are of.
 */
import type { DataSet } from "../engine/data/dataset.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import type { TensorDict } from "../engine/io/host_tensor.ts";
import { openWeightsFile as openFile, type WeightsFile } from "../engine/io/weights.ts";
import type { Module } from "../engine/nn/module.ts";
import { readOnnx } from "../engine/onnx/model.ts";
import { onnxDict } from "../engine/onnx/weights.ts";
import { bestDict, checkStateDict, fitOf, type StateDict } from "../engine/nn/state.ts";
import { type ClassifierEntry, createClassifier } from "../models/classifier.ts";
import { isOnnx } from "./model_file.ts";
import { classifiers } from "../models/registry.ts";

export type { WeightsFile };

/** Opens a file of weights; of an ONNX file its stored tensors. Throws what reading it does. */
export async function openWeightsFile(path: string): Promise<WeightsFile> {
  if (!isOnnx(path)) return await openFile(path);
  return { path, dicts: [onnxDict(await readOnnx(path))] };
}

/** Names that are shown. */
const SHOWN = 6;

/**
 * The weights in a file that fit a network.
 * @param print told which they are, where the file holds several that fit
 * @throws UserError (weights) where none fit, or hold what is no number
 */
export function fittingWeights(
  file: WeightsFile,
  network: Module,
  set: DataSet,
  print: (line: string) => void,
): { path: string; state: StateDict } {
  const { path, dicts } = file;
  const { dict, asGood } = bestDict(network, dicts);
  const state = dict.read();
  try {
    checkStateDict(network, state, path);
  } catch (error) {
    throw withItsModel(error, network, dict, set);
  }
  const { prefix, unwrapped } = fitOf(network, dict.shapes);
  const leftOut = [...dict.shapes.keys()].filter((key) => !unwrapped && !key.startsWith(prefix));
  if (leftOut.length > 0) {
    const more = leftOut.length > SHOWN ? ` and ${leftOut.length - SHOWN} more` : "";
    const names = leftOut.slice(0, SHOWN).join(", ") + more;
    print(`weights  what is under ${prefix} in ${path}; left out: ${names}`);
  }
  if (asGood.length > 0) {
    const others = asGood.map(({ place }) => place || "the file itself");
    print(
      `weights  ${dict.place || "those at the top"} of ${path}; ${others.join(", ")} ` +
        `${others.length === 1 ? "fits" : "fit"} as well`,
    );
  }
  return { path, state };
}

/** The error, with the classifier whose weights these are by all their names, if there is one. */
function withItsModel(
  error: unknown,
  network: Module,
  dict: TensorDict,
  set: DataSet,
): unknown {
  if (!(error instanceof UserError) || fitOf(network, dict.shapes).complete) return error;
  const model = modelOf(dict, set);
  if (model === undefined) return error;
  const whose = model.startsWith("torchvision_") ? "torchvision" : model;
  const hint = `these are ${whose}'s: --model ${model}`;
  return new UserError(error.message, ExitCode.weights, hint);
}

function modelOf({ shapes }: TensorDict, set: DataSet): string | undefined {
  const fits = classifiers.flatMap((entry) => {
    const network = networkOf(entry, set);
    const { complete, shaped } = network ? fitOf(network, shapes) : { complete: false, shaped: 0 };
    return complete ? [{ name: entry.name, shaped }] : [];
  });
  return fits.length > 0 ? fits.reduce((a, b) => b.shaped > a.shaped ? b : a).name : undefined;
}

/** The classifier for a data set's images, or else for those that it is made for. */
function networkOf(entry: ClassifierEntry, set: DataSet): Module | undefined {
  const options = { inChannels: set.channels, numClasses: set.classes.length };
  for (const imageSize of [set.height, entry.imageSize ?? 32]) {
    try {
      return createClassifier(entry, { ...options, imageSize });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
}
