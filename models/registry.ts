/** The classifiers by name. A new one is a file beside this and a line here. */

import { ExitCode, UserError } from "../engine/errors.ts";
import { didYouMean } from "../engine/nearest.ts";
import { alexnet } from "./alexnet.ts";
import type { ClassifierEntry } from "./classifier.ts";
import { densenet121, densenet169 } from "./densenet.ts";
import { efficientnetv2s } from "./efficientnetv2.ts";
import { googlenet } from "./googlenet.ts";
import { inceptionv3 } from "./inceptionv3.ts";
import { lenet256, lenet500 } from "./lenet.ts";
import { mlps } from "./mlp.ts";
import { mnasnet } from "./mnasnet.ts";
import { mobilenetv2 } from "./mobilenetv2.ts";
import { resnet101, resnet18, resnet34, resnet50 } from "./resnet.ts";
import { resnext50 } from "./resnext.ts";
import { senet18, senet34 } from "./senet.ts";
import { shufflenetv2 } from "./shufflenetv2.ts";
import { simplenetv1 } from "./simplenetv1.ts";
import { small } from "./small.ts";
import { squeezenet } from "./squeezenet.ts";
import { torchvisionDensenet121 } from "./torchvision/densenet.ts";
import { torchvisionGooglenet } from "./torchvision/googlenet.ts";
import { torchvisionMobilenetV2 } from "./torchvision/mobilenetv2.ts";
import {
  torchvisionResnet18,
  torchvisionResnet34,
  torchvisionResnet50,
} from "./torchvision/resnet.ts";
import { torchvisionVgg16Bn } from "./torchvision/vgg.ts";
import { vgg11, vgg13, vgg16, vgg19 } from "./vgg.ts";
import { wideresnet16, wideresnet28 } from "./wideresnet.ts";
import { xception } from "./xception.ts";

export const classifiers: readonly ClassifierEntry[] = [
  small,
  ...mlps,
  ...[lenet256, lenet500],
  alexnet,
  ...[vgg11, vgg13, vgg16, vgg19],
  googlenet,
  inceptionv3,
  ...[resnet18, resnet34, resnet50, resnet101],
  ...[wideresnet16, wideresnet28],
  resnext50,
  ...[senet18, senet34],
  ...[densenet121, densenet169],
  xception,
  simplenetv1,
  squeezenet,
  mobilenetv2,
  shufflenetv2,
  mnasnet,
  efficientnetv2s,
  ...[torchvisionResnet18, torchvisionResnet34, torchvisionResnet50],
  torchvisionVgg16Bn,
  torchvisionMobilenetV2,
  torchvisionDensenet121,
  torchvisionGooglenet,
];

/** @throws UserError (usage) that names the nearest classifier */
export function classifier(name: string): ClassifierEntry {
  const entry = classifiers.find((c) => c.name === name);
  if (entry) return entry;
  const names = classifiers.map((c) => c.name);
  throw new UserError(
    `there is no model ${name}${didYouMean(name, names)}`,
    ExitCode.usage,
    `the models are ${names.join(", ")}`,
  );
}
