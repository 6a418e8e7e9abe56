/** What is studied: an expression typed on the command line, or a classifier's loss. */

import { ExitCode, UserError } from "../../engine/errors.ts";
import { type Expression, parseExpression } from "../../engine/lab/expression.ts";
import type { NamedInput, Subject } from "../../engine/lab/gradcheck.ts";
import { didYouMean } from "../../engine/nearest.ts";
import { initialize } from "../../engine/nn/state.ts";
import type { Need } from "../../engine/options.ts";
import { draws, streamId, uniform } from "../../engine/random.ts";
import { crossEntropy } from "../../engine/tensor/loss.ts";
import { numel, type Shape } from "../../engine/tensor/shape.ts";
import { Variable } from "../../engine/tensor/tensor.ts";
import { forward } from "../../engine/train/graph.ts";
import {
  type ClassifierEntry,
  type ClassifierOptions,
  createClassifier,
  optionsFor,
} from "../../models/classifier.ts";
import { classifiers } from "../../models/registry.ts";
import { seedFlag, widthFlag } from "../common.ts";
import { flagTable, type Values } from "../framework/flags.ts";
import { classifierOrFile, isModelFile } from "../model_file.ts";

/** The shape of an input that is given none. */
const USUAL: Shape = [2, 3];

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
        USUAL.join("x")
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

function expressionOf({ what, shapes = [], range = [-1, 1], seed }: SubjectArgs): Subject {
  const expression = parseExpression(what);
  const given = shapesOf(expression, shapes);
  const inputs = expression.names.map((name): NamedInput => {
    const shape = given.get(name) ?? USUAL;
    return { name, variable: new Variable(name, shape, drawn(name, shape, range, seed)) };
  });
  if (inputs.length === 0) {
    throw new UserError(`"${what}" has no inputs: nothing can be differentiated`, ExitCode.usage);
  }
  const variables = new Map(inputs.map(({ name, variable }) => [name, variable]));
  try {
    return { value: expression.build(variables), inputs };
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode === ExitCode.usage) throw error;
    const missing = expression.names.filter((name) => !given.has(name));
    const hint = missing.length > 0
      ? `${missing.join(", ")} had no shape and got ${USUAL.join("x")}: give --shapes`
      : undefined;
    throw new UserError(error.message, ExitCode.usage, hint);
  }
}

/** "x=1x8x8x4" for each of some names. */
function shapesOf({ names }: Expression, given: readonly string[]): Map<string, Shape> {
  return new Map(given.map((text) => {
    const [, name, extents] = /^(\w+)=(scalar|\d+(?:x\d+)*)$/.exec(text) ?? [];
    if (name === undefined) {
      throw new UserError(`--shapes takes x=1x8x8x4 and the like, not "${text}"`, ExitCode.usage);
    }
    if (!names.includes(name)) {
      throw new UserError(
        `--shapes: the expression has no input ${name}${didYouMean(name, names)}`,
        ExitCode.usage,
        `its inputs are ${names.join(", ")}`,
      );
    }
    return [name, extents === "scalar" ? [] : extents.split("x").map(Number)] as const;
  }));
}

function drawn(name: string, shape: Shape, [from, to]: readonly number[], seed: number) {
  const draw = draws(seed, streamId(`input ${name}`));
  return Float32Array.from(
    { length: numel(shape) },
    (_, i) => from + (to - from) * uniform(draw(i)),
  );
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
