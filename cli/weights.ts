/**
 * Weights that are given: of the dicts in a file the one that fits the classifier, and where none
 * does, which classifier they are of.
 */
import type { DataSet } from "../engine/data/dataset.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { fileExists } from "../engine/io/files.ts";
import type { TensorDict } from "../engine/io/host_tensor.ts";
import { didYouMean } from "../engine/nearest.ts";
import { openWeightsFile as openFile, type WeightsFile } from "../engine/io/weights.ts";
import type { Module } from "../engine/nn/module.ts";
import { readOnnx } from "../engine/onnx/model.ts";
import { onnxDict } from "../engine/onnx/weights.ts";
import { allFits, bestFits, type Candidate, leftOut } from "../engine/nn/fit.ts";
import { fitted, type StateDict } from "../engine/nn/state.ts";
import { type ClassifierEntry, createClassifier } from "../models/classifier.ts";
import { labelled as labelLine } from "../engine/prose.ts";
import { isOnnx } from "./model_file.ts";
import { classifiers } from "../models/registry.ts";

/** A file of weights, and which of those in it are asked for: "state_dict_ema". */
export interface GivenWeights extends WeightsFile {
  readonly part?: string;
}

/**
 * Opens a file of weights, `FILE` or `FILE#PART`; of an ONNX file its stored tensors. Throws what
 * reading it does.
 */
export async function openWeightsFile(given: string): Promise<GivenWeights> {
  const [, path = given, part] = /^(.*[^#])#([^#/\\]+)$/.exec(given) ?? [];
  if (part !== undefined && !await fileExists(given)) return { ...await opened(path), part };
  return await opened(given);
}

async function opened(path: string): Promise<WeightsFile> {
  if (!isOnnx(path)) return await openFile(path);
  return { path, dicts: [onnxDict(await readOnnx(path))] };
}

/** Names that are shown. */
const SHOWN = 6;

/** Names of running averages of weights, which trainers keep beside them. */
const AVERAGES = /(^|[._])(ema|swa|avg|average|averaged|shadow)(_model|_state_dict|[._]|$)/i;

interface Labelled extends Candidate<TensorDict> {
  /** What asks for it after a `#`. */
  readonly label: string;
}

/**
 * The weights in a file that fit a network, by the network's own names.
 * @param print told which they are, where the file holds more, or wraps them
 * @throws UserError (weights) where none fit, or hold what is no number; (usage) where several do,
 * and none is asked for
 */
export function fittingWeights(
  file: GivenWeights,
  network: Module,
  set: DataSet,
  print: (line: string) => void,
): { path: string; state: StateDict } {
  const { path } = file;
  const found = file.part === undefined
    ? labelled(bestFits(network, file.dicts))
    : [asked(file.part, labelled(allFits(network, file.dicts)), path)];
  const { taken, averages } = likeliest(found);
  const { dict, fit } = taken[0];
  let state;
  try {
    state = fitted(network, dict.read(), path, fit);
  } catch (error) {
    throw withItsModel(error, network, dict, set);
  }
  if (taken.length > 1) throw ambiguous(path, found);
  tell(taken[0], averages, file, print);
  return { path, state };
}

const labelled = (found: readonly Candidate<TensorDict>[]): Labelled[] =>
  found.map(({ dict, fit }) => {
    const label = [dict.place, fit.prefix.slice(0, -1)].filter(Boolean).join(".");
    return { dict, fit, label };
  });

/** The ones to take, of which there should be one: an average is one where nothing else is. */
function likeliest(found: readonly Labelled[]) {
  const [averages, others] = [true, false].map((is) =>
    found.filter(({ label }) => AVERAGES.test(label) === is)
  );
  return others.length > 0 ? { taken: others, averages } : { taken: averages, averages: [] };
}

/** The weights under a name. @throws UserError (weights) where there are none, or several */
function asked(part: string, all: readonly Labelled[], path: string): Labelled {
  const whole = all.filter(({ label }) => label === part);
  const found = whole.length > 0 ? whole : all.filter(({ label }) => label.endsWith(`.${part}`));
  if (found.length === 1) return found[0];
  const names = shown(all.filter(({ fit }) => fit.shaped > 0).map(({ label }) => label));
  throw new UserError(
    `${path} has ${found.length === 0 ? "no weights" : "several weights"} called ${part}` +
      didYouMean(part, all.map(({ label }) => label)),
    ExitCode.weights,
    names && `it has weights for this model under ${names}`,
  );
}

function ambiguous(path: string, found: readonly Labelled[]): UserError {
  const labels = found.map(({ label }) => label);
  const one = labels.find((label) => label !== "")!;
  return new UserError(
    `${path} holds several weights that fit: ${shown(labels.map((l) => l || "those at the top"))}`,
    ExitCode.weights,
    `say which: --weights ${path}#${one}`,
  );
}

/** Says in a line what was taken, where that isn't simply what the file holds. */
function tell(
  { dict, fit, label }: Labelled,
  averages: readonly Labelled[],
  { path, shards = 1 }: GivenWeights,
  print: (line: string) => void,
): void {
  const rest = leftOut(dict, fit);
  const [average] = averages;
  const told = [
    label && `what is under ${label}`,
    fit.unwrapped.length > 0 && `names without ${fit.unwrapped.join(" and ")}`,
    shards > 1 && `of ${shards} files`,
    rest.length > 0 && `left out: ${shown(rest)}`,
    average && `an average fits as well: --weights ${path}#${average.label}`,
  ].filter(Boolean);
  if (told.length > 0) print(labelLine("weights", `${path}: ${told.join("; ")}`));
}

function shown(names: readonly string[]): string {
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
  return names.slice(0, SHOWN).join(", ") + more;
}

/** The error, with the classifier whose weights these are by all their names, if there is one. */
function withItsModel(
  error: unknown,
  network: Module,
  dict: TensorDict,
  set: DataSet,
): unknown {
  if (!(error instanceof UserError) || bestOf(network, dict).complete) return error;
  const model = modelOf(dict, set);
  if (model === undefined) return error;
  const whose = model.startsWith("torchvision_") ? "torchvision" : model;
  const hint = `these are ${whose}'s: --model ${model}`;
  return new UserError(error.message, ExitCode.weights, hint);
}

const bestOf = (network: Module, dict: TensorDict) => bestFits(network, [dict])[0].fit;

function modelOf(dict: TensorDict, set: DataSet): string | undefined {
  const fits = classifiers.flatMap((entry) => {
    const network = networkOf(entry, set);
    const { complete, shaped } = network ? bestOf(network, dict) : { complete: false, shaped: 0 };
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
