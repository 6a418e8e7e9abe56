/** A network's training step with both constraints, as the reference defines it, as one graph. */

import { ok } from "node:assert/strict";
import { channelConstraint, spatialConstraint } from "../../engine/doctor/forms/paper.ts";
import { aggregate, confusingClass, scoreGradients } from "../../engine/doctor/score.ts";
import { type Module, type Parameter, run } from "../../engine/nn/module.ts";
import { loadStateDict } from "../../engine/nn/state.ts";
import type { Runtime } from "../../engine/plan/runtime.ts";
import {
  add,
  crossEntropy,
  gradOrZeros,
  mul,
  permute,
  type Tensor,
  Variable,
} from "../../engine/tensor/mod.ts";
import { createClassifier } from "../../models/classifier.ts";
import { classifier } from "../../models/registry.ts";
import {
  type CaseInputs,
  leftHalf,
  referenceImages,
  referenceLabels,
  referenceMask,
  referenceState,
} from "./reference.ts";

const sizeOf = ({ image_size = 32 }: CaseInputs) => image_size;
const ALPHA = 10;

/** The network with the weights of the reference's formula. */
export function referenceNetwork(name: string, c: CaseInputs, runtime: Runtime): Module {
  const network = createClassifier(classifier(name), {
    inChannels: c.in_channels,
    numClasses: c.num_classes,
    imageSize: sizeOf(c),
    width: c.width,
  });
  loadStateDict(network, referenceState(network, c.seed), runtime, "the reference's formula");
  return network;
}

/** The network's logits for the case's images, and the output of the case's layer. */
export function forward(network: Module, c: CaseInputs, training: boolean) {
  const size = sizeOf(c);
  const shape = [c.batch, size, size, c.in_channels];
  const images = new Variable("images", shape, referenceImages(c, size));
  const labels = new Variable("labels", [c.batch], referenceLabels(c));
  let layer: Tensor | undefined;
  const tap = (name: string, output: Tensor) => {
    if (name === c.last_conv) layer = output;
    return output;
  };
  const { output: logits } = run(network, images, { training, tap });
  ok(layer, `${c.last_conv} was called`);
  return { logits, labels, layer };
}

/** The losses of a training step, and the gradients of those that it may descend. */
export function trainingStep(network: Module, c: CaseInputs) {
  const { logits, labels, layer } = forward(network, c, true);
  const [batch, height, width, channels] = layer.shape;
  const mask = new Variable("mask", [c.num_classes, channels], referenceMask(c, channels));
  const background = new Variable("background", [batch, height, width, 1], leftHalf(layer.shape));

  const confusing = confusingClass(logits, labels);
  const [own] = scoreGradients(logits, labels, [layer]);
  const [other] = scoreGradients(logits, confusing, [layer]);
  const cls = crossEntropy(logits, labels);
  const channel = channelConstraint(aggregate(own), aggregate(other), { mask }, labels, confusing);
  const spatial = spatialConstraint(own, background);

  const parameters = [...network.namedParameters()];
  const total = add(cls, mul(channel, ALPHA));
  return {
    layer,
    names: parameters.map(([name]) => name),
    values: { labels, confusing, logits, cls, channel, spatial },
    gradients: {
      grads_cls: torchGradients(cls, parameters),
      grads_total: torchGradients(total, parameters),
      grads_spatial: torchGradients(spatial, parameters),
    },
  };
}

/** The gradient of each parameter, convolution weights [R, S, C, K] as PyTorch's [K, C, R, S]. */
function torchGradients(loss: Tensor, parameters: readonly [string, Parameter][]): Tensor[] {
  return gradOrZeros(loss, parameters.map(([, parameter]) => parameter)).map((gradient, i) =>
    parameters[i][1].layout === "conv" ? permute(gradient, [3, 2, 0, 1]) : gradient
  );
}
