/** Normalisations, and dropout. In training they are what they were when the network was trained. */

import { batchNorm } from "../../nn/batch_norm.ts";
import { Parameter } from "../../nn/module.ts";
import * as t from "../../tensor/mod.ts";
import {
  channelsLast,
  inOrder,
  inPlainOrder,
  isKnown,
  type Laid,
  laid,
  reshaped,
  shapeOf,
  type Value,
} from "../value.ts";
import { type At, axisOf, type Operator, shortestDecimal } from "./at.ts";

function batchNormalization(at: At): Value {
  const order = channelsLast(shapeOf(at.x).length);
  const [weight, bias, mean, variance] = [1, 2, 3, 4].map((i) => inPlainOrder(at.input(i)));
  const { running_mean, running_var } = { running_mean: mean, running_var: variance };
  if (!(running_mean instanceof Parameter && running_var instanceof Parameter)) {
    return at.refuse("computes its statistics; they must be stored in the file");
  }
  const state = { ...{ weight, bias, running_mean, running_var }, eps: at.float("epsilon", 1e-5) };
  // ONNX's momentum is the share that stays.
  const momentum = shortestDecimal(1 - at.float("momentum", 0.9));
  return {
    tensor: batchNorm(inOrder(at.x, order), { ...state, momentum }, at.pass, at.layer),
    order,
  };
}

function instanceNormalization(at: At): Value {
  const order = channelsLast(shapeOf(at.x).length);
  const [weight, bias] = [inPlainOrder(at.input(1)), inPlainOrder(at.input(2))];
  const x = inOrder(at.x, order);
  return { tensor: t.instanceNorm(x, { weight, bias }, at.float("epsilon", 1e-5)), order };
}

function layerNormalization(at: At): Value {
  const shape = shapeOf(at.x);
  const first = axisOf(at.int("axis", -1), shape.length);
  const { tensor, order } = laid(at.x);
  const axes = order.map((axis, d) => (axis >= first ? d : -1)).filter((d) => d >= 0);
  const y = t.standardize(tensor, axes, at.float("epsilon", 1e-5));
  // Weights are of the last axes as ONNX means them; they are brought to how the value lies.
  const own = (i: number) => {
    const value = at.input(i);
    const more = shape.length - shapeOf(value).length;
    if (more < 0) at.refuse("has weights of more axes than what it normalises");
    const raised = reshaped(value, [...Array(more).fill(1), ...shapeOf(value)]);
    return inOrder(raised, order);
  };
  const bias = at.has(2) ? own(2) : undefined;
  return { tensor: t.affine(y, { weight: own(1), bias }), order };
}

/** Set 21 has weights of the channels, set 18 of the groups. */
function groupNormalization(at: At): Value {
  const [, channels, ...space] = shapeOf(at.x);
  const groups = at.int("num_groups", 1);
  const order = channelsLast(2 + space.length);
  const own = (i: number) => {
    const w = inPlainOrder(at.input(i));
    if (w.size === channels) return w;
    return t.reshape(t.broadcastTo(t.reshape(w, [groups, 1]), [groups, channels / groups]), [-1]);
  };
  const of = { weight: own(1), bias: own(2) };
  const x = inOrder(at.x, order);
  return { tensor: t.groupNorm(x, groups, of, at.float("epsilon", 1e-5)), order };
}

/** x / (bias + alpha / size sum of squares over channels nearby)^beta */
function localResponse(at: At): Value {
  const size = at.int("size", 1);
  if (size < 1) at.refuse(`is over ${size} channels`);
  const order = channelsLast(shapeOf(at.x).length);
  const options = {
    ...{ alpha: at.float("alpha", 1e-4), beta: at.float("beta", 0.75), k: at.float("bias", 1) },
    before: Math.floor((size - 1) / 2),
  };
  return { tensor: t.localResponseNorm(inOrder(at.x, order), size, options), order };
}

function lpNormalization(at: At): Value {
  const { tensor, order } = laid(at.x);
  const axis = order.indexOf(axisOf(at.int("axis", -1), tensor.rank));
  const p = at.int("p", 2);
  const powers = t.pow(p === 1 ? t.abs(tensor) : tensor, p);
  const norm = t.pow(t.sum(powers, [axis], { keepDims: true }), 1 / p);
  return { tensor: t.div(tensor, norm), order };
}

/** Taken off where the file's export left it in; in training it drops again. */
function dropout(at: At): Value {
  if (isKnown(at.x)) return at.x;
  const ratio = at.has(1) ? at.known(1).values[0] : at.float("ratio", 0.5);
  if (!at.pass.training || !at.pass.key) return at.x;
  const { tensor, order } = laid(at.x);
  return { tensor: t.dropout(tensor, ratio, at.pass.key, `dropout ${at.layer}`), order };
}

/** Up to set 12 all axes from the given one on are one. */
const softmax = (finish: (shifted: t.Tensor, sum: t.Tensor) => t.Tensor): Operator => (at) => {
  const { tensor, order }: Laid = laid(at.x);
  const isOld = at.opset < 13;
  const first = axisOf(at.int("axis", isOld ? 1 : -1), tensor.rank);
  const axes = order.map((axis, d) => (isOld ? axis >= first : axis === first) ? d : -1)
    .filter((d) => d >= 0);
  const shifted = t.sub(tensor, t.detach(t.max(tensor, axes, { keepDims: true })));
  return { tensor: finish(shifted, t.sum(t.exp(shifted), axes, { keepDims: true })), order };
};

export const norms: Readonly<Record<string, Operator>> = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  GroupNormalization: groupNormalization,
  LRN: localResponse,
  LpNormalization: lpNormalization,
  Dropout: dropout,
  Softmax: softmax((shifted, sum) => t.div(t.exp(shifted), sum)),
  LogSoftmax: softmax((shifted, sum) => t.sub(shifted, t.log(sum))),
};
