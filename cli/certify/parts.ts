/** The parts of an examination, the most valuable first. */

import { checkOperations, convolutionsOn, operationsOn } from "../../engine/certify/operations.ts";
import { measureRoofline } from "../../engine/gpu/roofline.ts";
import { dispatchPart } from "./dispatch.ts";
import { facesPart } from "./faces.ts";
import type { Part } from "./part.ts";
import { pytorchPart } from "./pytorch.ts";
import { stepsPart } from "./steps.ts";
import { treatPart } from "./treat.ts";
import { tunePart } from "./tune.ts";

/** Kinds of parts, as they are asked for. */
export const KINDS = [
  ...["operations", "convolutions", "roofline", "dispatch", "faces"],
  ...["treat", "steps", "tune", "pytorch"],
] as const;
export type Kind = typeof KINDS[number];

/** The networks of the method's authors, those that are looked at closest first. */
export const PAPER_MODELS = [
  ...["resnet34", "resnet50", "vgg16", "mobilenetv2", "densenet121", "alexnet", "senet34"],
  ...["wideresnet28", "resnext50", "simplenetv1", "efficientnetv2s", "googlenet", "xception"],
  ...["inceptionv3", "shufflenetv2", "squeezenet", "mnasnet"],
];

/** Whose convolutions are looked at one by one, and of whose steps the kernels are tuned. */
export const CLOSEST = ["resnet34", "resnet50"];

const operationsPart: Part = {
  name: "operations",
  needs: 10,
  run: ({ gpu, progress }) => checkOperations(gpu, operationsOn(gpu), progress),
};

const convolutionsPart: Part = {
  name: "convolutions",
  needs: 15,
  run: ({ gpu, progress }) => checkOperations(gpu, convolutionsOn(gpu), progress),
};

const rooflinePart: Part = {
  name: "roofline",
  needs: 3,
  async run({ gpu }) {
    return { kind: "roofline", ...await measureRoofline(gpu), wrong: [], remarkable: [] };
  },
};

/** What is set against the roofline and the cost of a dispatch. */
const MEASURED: readonly string[] = ["steps", "faces"];
const MEASURES: readonly string[] = ["roofline", "dispatch"];

/**
 * @param kinds which are wanted; what they are set against comes with them
 * @param models whose steps are timed; of the closest among them, or the first, everything
 */
export function partsFor(kinds: readonly string[], models: readonly string[]): Part[] {
  const among = CLOSEST.filter((model) => models.includes(model));
  const close = among.length > 0 ? among : models.slice(0, 1);
  const others = models.filter((model) => !close.includes(model));
  const ordered: readonly (readonly [Kind, readonly Part[]])[] = [
    ["operations", [operationsPart]],
    ["convolutions", [convolutionsPart]],
    ["roofline", [rooflinePart]],
    ["dispatch", [dispatchPart]],
    ["steps", close.map(stepsPart)],
    ["faces", close.map(facesPart)],
    ["treat", [treatPart]],
    ["tune", close.slice(0, 1).map(tunePart)],
    ["steps", others.map(stepsPart)],
    ["pytorch", [pytorchPart]],
  ];
  const wanted = new Set(kinds);
  if (kinds.some((kind) => MEASURED.includes(kind))) MEASURES.forEach((kind) => wanted.add(kind));
  return ordered.flatMap(([kind, parts]) => wanted.has(kind) ? parts : []);
}
