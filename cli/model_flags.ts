/** Flags that name a classifier and its weights. */

import type { AllValues } from "../engine/options.ts";
import { isModelFile, isOnnx } from "./model_file.ts";
import { classifiers } from "../models/registry.ts";
import { flagTable, type Values } from "./framework/flags.ts";

/** What may stand for a model: a name, or a file. */
export const modelChoices = {
  choices: classifiers.map(({ name }) => name),
  also: { is: isModelFile, what: "or a file: model.onnx, model.ts" },
};

export const widthFlag = flagTable({
  width: {
    type: "number",
    above: 0,
    max: 8,
    default: 1,
    help: "channels of the classifier's layers, times this (deno task models says which take it)",
  },
});

export const modelFlags = flagTable({
  model: {
    type: "choice",
    ...modelChoices,
    default: "small",
    help: "the classifier",
  },
  ...widthFlag,
});

/** Of the commands that take several. */
export const modelsFlag = (help: string) =>
  flagTable({
    models: {
      type: "list",
      of: "string",
      ...modelChoices,
      what: "model",
      default: ["small"],
      help,
    },
  });

/** Of the commands that train from what a model's file holds. */
export const newHeadFlag = flagTable({
  newHead: {
    type: "boolean",
    need: {
      otherwise: "without a file of ONNX as --model",
      holds: ({ model }) => isOnnx(String(model)),
    },
    help: "a new last layer for the data's classes, in a model from a file of ONNX",
  },
});

/** A model that is a file of ONNX has weights of its own, unless a part of them is new. */
export const ownWeights = ({ model, newHead }: AllValues): string | undefined =>
  typeof model === "string" && isOnnx(model) && !newHead ? model : undefined;

/** Of the commands that look at a trained network. */
export const weightsFlag = flagTable({
  weights: {
    type: "string",
    value: "FILE",
    required: true,
    follows: ownWeights,
    help: "weights (.safetensors, .pth, .onnx; default those of --model, where it is an .onnx)",
  },
});

export type ModelArgs = Values<typeof modelFlags>;
