/**
 * Checks this engine against numbers made elsewhere. With A the output of the case's layer,
 *
 *     logits_eval     logits [B, K] in evaluation mode
 *     aggregate_eval  relu(d s(labels) / d A) summed over space, [B, channels], evaluation mode
 *     logits_train    logits [B, K] in training mode: batch statistics, no dropout
 *     loss_cls        mean cross entropy                            (training mode, as the rest)
 *     loss_channel    the channel-wise constraint at A with `mask`
 *     loss_spatial    the space-wise constraint at A with `background`
 *     grads_cls.<key>, grads_total.<key>, grads_spatial.<key>
 *                     the gradients of loss_cls, of loss_cls + alpha loss_channel, and of
 *                     loss_spatial at every parameter, in PyTorch's layouts
 */

import { elementCount, type HostTensor } from "../io/host_tensor.ts";
import { didYouMean } from "../nearest.ts";
import type { Module } from "../nn/module.ts";
import { observe } from "../nn/observe.ts";
import { loadStateDict, outside } from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import { gradOrZeros } from "../tensor/autograd.ts";
import { crossEntropy } from "../tensor/loss.ts";
import { permute } from "../tensor/movement.ts";
import { add, mul } from "../tensor/pointwise.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { channelConstraint, spatialConstraint } from "./forms/paper.ts";
import { aggregate, confusingClass, scoreGradients } from "./score.ts";
import { type VerifyCase, wrong } from "./verify_case.ts";

/** Largest relative L2 errors that count as equal. */
export const TOLERANCES = { values: 1e-4, gradients: 1e-3 };

/**
 * Some parts of a gradient are zero (that of a bias in front of batch normalisation, which has no
 * effect), and what is left there is rounding of the others. A part whose expected norm is below
 * `below` times that of the gradient over all parameters is held against `scale` times the latter.
 */
export const VANISHING = { below: 1e-5, scale: 1e-3 };

/** What is computed, undefined where the case lacks something for it. */
interface Quantities {
  readonly values: Readonly<Record<string, Tensor | undefined>>;
  /** The losses whose gradients are asked for under a name. */
  readonly losses: Readonly<Record<string, Tensor | undefined>>;
}

/** The case's quantities as graphs; nothing is computed. @param layer a module's name */
function quantities(network: Module, layer: string, c: VerifyCase): Quantities {
  const { labels, mask } = c;
  const images = permute(c.input, [0, 2, 3, 1]);
  const evaluation = observe(network, images, { training: false });
  const [gradient] = scoreGradients(evaluation.logits, labels, [evaluation.layer(layer)]);

  const { logits, layer: output } = observe(network, images, { training: true });
  const confusing = confusingClass(logits, labels);
  const [own] = scoreGradients(logits, labels, [output(layer)]);
  const [other] = scoreGradients(logits, confusing, [output(layer)]);
  const background = c.background && permute(c.background, [0, 2, 3, 1]);
  checkShapes(c, own);
  const cls = crossEntropy(logits, labels);
  const channel = mask &&
    channelConstraint(aggregate(own), aggregate(other), { mask }, labels, confusing);
  const spatial = background && spatialConstraint(own, background);
  return {
    values: {
      logits_eval: evaluation.logits,
      aggregate_eval: aggregate(gradient),
      logits_train: logits,
      loss_cls: cls,
      loss_channel: channel,
      loss_spatial: spatial,
    },
    losses: {
      grads_cls: cls,
      grads_total: channel && add(cls, mul(channel, c.alpha)),
      grads_spatial: spatial,
    },
  };
}

/** The mask and the background have to be those of the layer. */
function checkShapes({ name, layer, mask, background }: VerifyCase, output: Tensor): void {
  const channels = output.shape[output.rank - 1];
  if (mask && mask.shape[1] !== channels) {
    throw wrong(
      name,
      `its mask is ${showShape(mask.shape)}, and ${layer} has ${channels} channels`,
    );
  }
  const [, height, width] = output.shape;
  const fits = ([, , h, w]: readonly number[]) => output.rank === 4 && h === height && w === width;
  if (background && !fits(background.shape)) {
    const place = output.rank === 4 ? `${height} x ${width} pixels` : "no height and width";
    throw wrong(
      name,
      `its background is ${showShape(background.shape)}, and ${layer} has ${place}`,
    );
  }
}

/**
 * Computes what the case expects, or all that it allows; with a gradient at one parameter those at
 * all others.
 * @param layer the module that the case means
 * @param everything whether to compute also what the case has no expectation of
 * @returns tensors by their names without `expect.`, in PyTorch's layouts
 * @throws UserError (weights) where the state doesn't fit or an expectation has no meaning
 */
export async function compute(
  runtime: Runtime,
  network: Module,
  layer: string,
  c: VerifyCase,
  everything: boolean,
): Promise<Map<string, HostTensor>> {
  loadStateDict(network, c.state, runtime, `the state in ${c.name}`);
  const { values, losses } = quantities(network, layer, c);
  const wanted = wantedNames(c, { values, losses }, everything);
  const parameters = [...network.namedParameters()];

  const outputs: Record<string, Tensor> = {};
  for (const name of wanted) {
    if (name in values) outputs[name] = values[name]!;
    else {
      const gradients = gradOrZeros(losses[name]!, parameters.map(([, parameter]) => parameter));
      parameters.forEach(([key], i) => outputs[`${name}.${key}`] = gradients[i]);
    }
  }
  const plan = await runtime.plan({ outputs });
  try {
    plan.run();
    const found = new Map<string, HostTensor>();
    const layouts = new Map(parameters);
    for (const name of wanted) {
      // Read one after the other: together they may be larger than a buffer can be.
      const names = Object.keys(outputs).filter((output) => quantityOf(output) === name);
      const read = await plan.read(...names);
      names.forEach((output, i) => {
        const parameter = layouts.get(output.slice(name.length + 1));
        const shape = [...outputs[output].shape];
        const plain = { dtype: "F32", shape, data: read[i] } as const;
        found.set(output, parameter ? outside(parameter, read[i]) : plain);
      });
    }
    return found;
  } finally {
    plan.destroy();
  }
}

/** `grads_cls` of `grads_cls.fc.weight`. */
const quantityOf = (name: string) => name.split(".", 1)[0];

function wantedNames(c: VerifyCase, of: Quantities, everything: boolean): string[] {
  const all = { ...of.values, ...of.losses };
  for (const name of c.expected.keys()) {
    const quantity = quantityOf(name);
    if (!Object.hasOwn(all, quantity)) {
      throw wrong(c.name, `there is no expect.${name}${didYouMean(quantity, Object.keys(all))}`);
    }
    if (!all[quantity]) {
      const lacks = quantity.includes("spatial") ? "background" : "mask";
      throw wrong(c.name, `expect.${name} needs a ${lacks}, and it has none`);
    }
  }
  const expected = new Set([...c.expected.keys()].map(quantityOf));
  const possible = Object.keys(all).filter((name) => all[name]);
  return everything ? possible : possible.filter((name) => expected.has(name));
}

/** An expected tensor and how far the computed one is off. */
export interface Comparison {
  readonly name: string;
  /** L2 norm of the expected tensor. */
  readonly norm: number;
  /** Relative L2 error; infinite where a NaN or an infinity is. */
  readonly error: number;
  readonly tolerance: number;
  readonly passes: boolean;
}

/**
 * Compares in the order of the expectations.
 * @param tolerance of all; without it TOLERANCES
 * @throws UserError (weights) where an expected tensor belongs to no parameter or has another shape
 */
export function compare(
  c: VerifyCase,
  computed: ReadonlyMap<string, HostTensor>,
  tolerance?: number,
): Comparison[] {
  const together = gradientNorms(computed);
  return [...c.expected].map(([name, expected]) => {
    const found = computed.get(name);
    if (!found) {
      throw wrong(c.name, `there is no expect.${name}${didYouMean(name, computed.keys())}`);
    }
    const alike = sameShape(expected.shape, found.shape) ||
      elementCount(expected.shape) === 1 && elementCount(found.shape) === 1;
    if (!alike) {
      const [has, wants] = [expected.shape, found.shape].map(showShape);
      throw wrong(c.name, `expect.${name} is ${has}, and what is computed is ${wants}`);
    }
    const norm = l2(expected.data);
    const whole = together.get(quantityOf(name)) ?? 0;
    const scale = norm < VANISHING.below * whole ? VANISHING.scale * whole : norm || 1;
    const off = l2(found.data, expected.data) / scale;
    const error = Number.isNaN(off) ? Infinity : off;
    const kind = name.startsWith("grads_") || name === "aggregate_eval" ? "gradients" : "values";
    const allowed = tolerance ?? TOLERANCES[kind];
    return { name, norm, error, tolerance: allowed, passes: error <= allowed };
  });
}

/** The norm over all parameters of each loss's gradient. */
function gradientNorms(computed: ReadonlyMap<string, HostTensor>): Map<string, number> {
  const norms = new Map<string, number>();
  for (const [name, { data }] of computed) {
    const quantity = quantityOf(name);
    if (quantity !== name) norms.set(quantity, Math.hypot(norms.get(quantity) ?? 0, l2(data)));
  }
  return norms;
}

/** The L2 norm, of a difference where a second array is given, in float64. */
function l2(a: HostTensor["data"], b?: HostTensor["data"]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (Number(a[i]) - Number(b?.[i] ?? 0)) ** 2;
  return Math.sqrt(sum);
}
