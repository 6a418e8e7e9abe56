/** Convolutions. Images lie as [N, H, W, C] and weights as [R, S, C, K]: nothing is moved for them. */

import { conv2d, conv2dInputGrad } from "../../tensor/conv.ts";
import { pad2d, WINDOW, window } from "../../tensor/movement.ts";
import { add } from "../../tensor/pointwise.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import {
  channelsLast,
  inOrder,
  inPlainOrder,
  type Laid,
  reshaped,
  shapeOf,
  type Value,
  WEIGHTS_ORDER,
} from "../value.ts";
import type { At, Operator } from "./at.ts";

/** A pair of numbers, height's and width's. */
export type Pair = readonly [number, number];

/** How a window goes over an image of two axes. */
export interface Windows {
  readonly stride: Pair;
  readonly dilation: Pair;
  /** Rows and columns added before and after. */
  readonly before: Pair;
  readonly after: Pair;
}

/** An attribute of one number for each axis in space; that of a line counts as a row of one. */
export function pairOf(at: At, name: string, otherwise: number): Pair {
  const [first = otherwise, second] = at.ints(name) ?? [otherwise, otherwise];
  return second === undefined ? [1, first] : [first, second];
}

/** @param extents of the image, height and width */
export function windowsOf(at: At, kernel: Pair, extents: Pair): Windows {
  const [stride, dilation] = [pairOf(at, "strides", 1), pairOf(at, "dilations", 1)];
  if (Math.min(...stride, ...dilation) < 1) at.refuse("has a stride or a dilation below 1");
  const auto = at.text("auto_pad", "NOTSET");
  if (auto === "SAME_UPPER" || auto === "SAME_LOWER") {
    const total = extents.map((extent, d) => {
      const reach = dilation[d] * (kernel[d] - 1) + 1;
      return Math.max((Math.ceil(extent / stride[d]) - 1) * stride[d] + reach - extent, 0);
    });
    const less = total.map((pad) => Math.floor(pad / 2)) as unknown as Pair;
    const more = total.map((pad) => Math.ceil(pad / 2)) as unknown as Pair;
    const isUpper = auto === "SAME_UPPER";
    return { stride, dilation, before: isUpper ? less : more, after: isUpper ? more : less };
  }
  const pads = auto === "VALID" ? [0, 0, 0, 0] : at.ints("pads") ?? [0, 0, 0, 0];
  const [top, left, bottom, right] = pads.length === 2 ? [0, pads[0], 0, pads[1]] : pads;
  if (Math.min(top, left, bottom, right) < 0) at.refuse("has a negative padding");
  return { stride, dilation, before: [top, left], after: [bottom, right] };
}

/** Images of one axis in space as images of one row. */
export function asImages(value: Value): Value {
  const shape = shapeOf(value);
  return shape.length === 3 ? reshaped(value, [shape[0], shape[1], 1, shape[2]]) : value;
}

/** The result for images that had one axis in space, without the row. */
export function likeInput(result: Laid, at: At): Value {
  const { length } = shapeOf(at.x);
  const [n, c, , w] = shapeOf(result);
  return length === 3 ? reshaped(result, [n, c, w]) : result;
}

export const images = (value: Value): Tensor => inOrder(asImages(value), channelsLast(4));
export const fromImages = (tensor: Tensor): Laid => ({ tensor, order: channelsLast(4) });

/**
 * An image before zeros were put around it evenly, and how many there: an exporter that pads by a
 * node of its own means what the window over it can do by itself.
 */
export function unpadded(x: Tensor): readonly [image: Tensor, around: Pair] {
  if (x.operation !== WINDOW) return [x, [0, 0]];
  const [image] = x.inputs;
  const [top, left] = WINDOW.attributesOf(x).starts.slice(1, 3).map((start) => -start);
  const [batch, height, width, channels] = image.shape;
  const evenly = [batch, height + 2 * top, width + 2 * left, channels];
  if (top < 0 || left < 0 || !sameShape(x.shape, evenly)) return [x, [0, 0]];
  const [inner, [rows, columns]] = unpadded(image);
  return [inner, [top + rows, left + columns]];
}

function conv(at: At): Value {
  const weight = asImages(at.input(1));
  const [x, w] = [images(at.x), inOrder(weight, WEIGHTS_ORDER)];
  const kernel = [w.shape[0], w.shape[1]] as const;
  const { stride, dilation, before, after } = windowsOf(at, kernel, [x.shape[1], x.shape[2]]);
  const groups = at.int("group", 1);
  const [image, padding] = unpadded(pad2d(x, before[0], after[0], before[1], after[1]));
  return biased(convolved(image, w, { stride, dilation, groups, padding }), at);
}

/** See Conv2d: fast kernels make channels four at a time, so filters of zeros fill up the last four. */
function convolved(
  x: Tensor,
  w: Tensor,
  options: Parameters<typeof conv2d>[2] & { groups: number },
) {
  const outputs = w.shape[3];
  const filled = 4 * Math.ceil(outputs / 4);
  if (options.groups > 1 || filled === outputs) return conv2d(x, w, options);
  const start = [0, 0, 0, 0];
  const y = conv2d(x, window(w, start, w.shape.with(3, filled)), options);
  return window(y, start, y.shape.with(3, outputs));
}

function biased(y: Tensor, at: At): Value {
  const result = at.has(2) ? add(y, inPlainOrder(at.input(2))) : y;
  return likeInput(fromImages(result), at);
}

/** The gradient of a convolution at its input is this operator: weights [C, K/groups, R, S]. */
function convTranspose(at: At): Value {
  const weight = asImages(at.input(1));
  const [x, w] = [images(at.x), inOrder(weight, WEIGHTS_ORDER)];
  const extents = [x.shape[1], x.shape[2]] as const;
  const groups = at.int("group", 1);
  const windows = windowsOf(at, [w.shape[0], w.shape[1]], extents);
  const { stride, dilation } = windows;
  const more = pairOf(at, "output_padding", 0);
  // Of the whole result the padding is cut off, and output_padding is what is added at the end.
  const whole = extents.map((extent, d) =>
    (extent - 1) * stride[d] + dilation[d] * (w.shape[d] - 1) + 1 + more[d]
  );
  const channels = w.shape[2] * groups;
  const options = { stride, dilation, groups };
  const full = conv2dInputGrad(x, w, [x.shape[0], ...whole, channels], options);
  const { before, result } = cutOf(at, whole, windows, extents);
  return biased(window(full, [0, ...before, 0], [x.shape[0], ...result, channels]), at);
}

/** Which part of a whole result is wanted: by the padding, or by the result's size. */
function cutOf(
  at: At,
  whole: readonly number[],
  { stride, before, after }: Windows,
  extents: Pair,
): { before: readonly number[]; result: readonly number[] } {
  const auto = at.text("auto_pad", "NOTSET");
  const isSame = auto.startsWith("SAME");
  const given = at.ints("output_shape") && pairOf(at, "output_shape", 0);
  if (!given && !isSame) {
    return { before, result: whole.map((extent, d) => extent - before[d] - after[d]) };
  }
  if (given?.some((extent, d) => extent > whole[d])) {
    at.refuse("states a result larger than it makes");
  }
  const wanted = given ?? extents.map((extent, d) => extent * stride[d]);
  const cut = whole.map((extent, d) => Math.max(extent - wanted[d], 0));
  return {
    before: cut.map((total) => auto === "SAME_UPPER" ? total >> 1 : (total + 1) >> 1),
    result: whole.map((extent, d) => extent - cut[d]),
  };
}

export const convolutions: Readonly<Record<string, Operator>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
};
