/** What is studied: an expression typed on the command line, or a classifier's loss. */

import type { NamedInput, Subject } from "../../engine/lab/gradcheck.ts";
import { drawn, subjectOf, USUAL_SHAPE } from "../../engine/lab/subject.ts";
import { initialize } from "../../engine/nn/state.ts";
import type { Need } from "../../engine/options.ts";
import { crossEntropy } from "../../engine/tensor/loss.ts";
import { Variable } from "../../engine/tensor/tensor.ts";
import { forward } from "../../engine/train/graph.ts";
import {
  type ClassifierEntry,
  type ClassifierOptions,
  createClassifier,
  optionsFor,
} from "../../models/classifier.ts";
import { classifiers } from "../../models/registry.ts";
import { seedFlag } from "../train_flags.ts";
import { widthFlag } from "../model_flags.ts";
import { flagTable, type Values } from "../framework/flags.ts";
import { classifierOrFile, isModelFile } from "../model_file.ts";

/** What a classifier is built for where neither flags nor its file say it. */
const USUAL_IMAGES: ClassifierOptions = { imageSize: 32, inChannels: 3, numClasses: 10 };

/** A single word, or a file, is no function of anything, so it is meant as a classifier. */
const isModel = (what: unknown) =>
  classifiers.some(({ name }) => name === what) || /^\w+$/.test(String(what)) ||
  isModelFile(String(what));

export const SUBJECT_HELP =
  'such as "sum(relu(conv2d(x, w)))", or a classifier (or a file, .onnx, .ts), of which the loss is taken';

/**
 * The flags that go with a subject.
 * @param key the flag that names it
 * @param usual the classifier's images where nothing is said
 */
export function subjectFlags(key: string, usual: { size: number; batch: number }) {
  const ofExpression: Need = {
    otherwise: "with a classifier",
    holds: (values) => !isModel(values[key]),
  };
  const ofModel: Need = {
    otherwise: "with an expression",
    holds: (values) => isModel(values[key]),
  };
  return flagTable({
    shapes: {
      type: "list",
      of: "string",
      value: "x=2x3,..",
      need: ofExpression,
      help: `shapes of the expression's inputs, "scalar" for one number (default ${
        USUAL_SHAPE.join("x")
      })`,
    },
    range: {
      type: "list",
      of: "number",
      value: "from,to",
      need: ofExpression,
      min: -1e6,
      max: 1e6,
      check: (range) => range.length === 2 && range[0] < range[1] ? undefined : "is from,to",
      help: "where the inputs are drawn from (default -1,1)",
    },
    size: {
      type: "integer",
      min: 1,
      max: 1024,
      need: ofModel,
      follows: (values) => isModelFile(String(values[key])) ? undefined : usual.size,
      help: `height and width of the classifier's images (default ${usual.size}, or the file's)`,
    },
    batch: {
      type: "integer",
      min: 1,
      max: 1024,
      default: usual.batch,
      need: ofModel,
      help: "images",
    },
    classes: {
      type: "integer",
      min: 2,
      max: 256,
      need: ofModel,
      help: "classes (default 10, or the file's)",
    },
    width: { ...widthFlag.width, need: ofModel },
    ...seedFlag,
  });
}

/** The flag of a command that is about a subject above all. */
export const whatFlag = flagTable({
  what: {
    type: "string",
    positional: true,
    required: true,
    value: "EXPRESSION|MODEL",
    help: SUBJECT_HELP,
  },
});

export type SubjectArgs = Values<ReturnType<typeof subjectFlags>> & { readonly what: string };

/** @throws UserError (usage) where it is neither an expression nor a classifier */
export async function openSubject(args: SubjectArgs): Promise<Subject> {
  return isModel(args.what) ? lossOf(args, await classifierOrFile(args.what)) : expressionOf(args);
}

function expressionOf({ what, shapes, range, seed }: SubjectArgs): Subject {
  return subjectOf(what, { shapes, range, seed, flag: "--shapes" });
}

/** The mean cross entropy of a network with its starting weights on a random batch, in training. */
function lossOf(
  { size, batch, classes, width, seed }: SubjectArgs,
  entry: ClassifierEntry,
): Subject {
  const options = optionsFor(entry, { imageSize: size, numClasses: classes, width }, USUAL_IMAGES);
  const network = createClassifier(entry, options);
  initialize(network, seed);
  const { imageSize, inChannels, numClasses } = options;
  const shape = [batch, imageSize, imageSize, inChannels];
  const images = new Variable("images", shape, drawn("images", shape, [-1, 1], seed));
  const numbers = Uint32Array.from({ length: batch }, (_, i) => i % numClasses);
  const labels = new Variable("labels", [batch], numbers);
  const key = new Variable("key", [2], Uint32Array.of(seed, 0));
  const { graph } = forward(network, { images, labels }, key);
  const inputs = [["images", images] as const, ...network.namedParameters()]
    .map(([name, variable]): NamedInput => ({ name, variable }));
  return { value: crossEntropy(graph.logits, labels), inputs };
}
