/** Batch normalisation and softmax with terms of their derivatives that can be left out. */

import { drawn } from "../../../../engine/lab/subject.ts";
import * as t from "../../../../engine/tensor/mod.ts";
import type { Live } from "../parts/live.ts";
import { termsFigure, type TermsState } from "./terms.ts";

const EPS = 1e-5;

function variable(name: string, shape: t.Shape): t.Variable {
  return new t.Variable(name, shape, drawn(name, shape, [-1, 1], 1));
}

/** The tensor, or what has its value and no derivative. */
const held = (tensor: t.Tensor, isHeld: boolean): t.Tensor => isHeld ? t.detach(tensor) : tensor;

/** The mean of each channel of [M, C]. */
const m = (a: t.Tensor) => t.mean(a, [0], { keepDims: true });

const named = (...variables: readonly t.Variable[]) =>
  variables.map((variable) => ({ name: variable.label, variable }));

export type NormTerm = "mean" | "deviation";

/** z = rho (x - mu), the statistics differentiated or held. */
export const normFigure = (): Live<TermsState<NormTerm>> =>
  termsFigure<NormTerm>({
    id: "norm-terms",
    title: "Normalisation of 5 values in 2 channels: which of its statistics are differentiated",
    terms: { mean: "the mean depends on x", deviation: "the deviation depends on x" },
    orders: 2,
    subject: (dropped) => {
      const x = variable("x", [5, 2]);
      const mu = held(m(x), dropped.includes("mean"));
      const distance = t.sub(x, mu);
      const rho = t.rsqrt(t.add(m(t.square(t.sub(x, m(x)))), EPS));
      const value = t.mul(distance, held(rho, dropped.includes("deviation")));
      return { value, inputs: named(x) };
    },
  });

export type SecondTerm = "rho" | "z";

/** The first gradient by hand, N(g) = rho (g - m(g) - z m(g z)), as a function of x and g. */
export const secondFigure = (): Live<TermsState<SecondTerm>> =>
  termsFigure<SecondTerm>({
    id: "second-terms",
    title: "The gradient N(g) as a function: its derivative is the second one of normalisation",
    terms: { rho: "rho depends on x", z: "z depends on x" },
    orders: 1,
    subject: (dropped) => {
      const [x, g] = [variable("x", [5, 2]), variable("g", [5, 2])];
      const rho = t.rsqrt(t.add(m(t.square(t.sub(x, m(x)))), EPS));
      const z = held(t.mul(t.sub(x, m(x)), rho), dropped.includes("z"));
      const inner = t.sub(t.sub(g, m(g)), t.mul(z, m(t.mul(g, z))));
      return { value: t.mul(held(rho, dropped.includes("rho")), inner), inputs: named(x, g) };
    },
  });

export type SoftmaxTerm = "shift" | "own" | "sum";

/** e^(x - c) / sum e^(x - c): the shift may be held, numerator and sum may not. */
export const softmaxFigure = (): Live<TermsState<SoftmaxTerm>> =>
  termsFigure<SoftmaxTerm>({
    id: "softmax-terms",
    title: "Softmax of 4 classes: what may be taken for a constant, and what may not",
    terms: {
      shift: "the largest logit, which is subtracted, depends on x",
      own: "the numerator depends on x",
      sum: "the sum depends on x",
    },
    orders: 2,
    subject: (dropped) => {
      const x = variable("x", [2, 4]);
      const largest = t.max(x, [1], { keepDims: true });
      const e = t.exp(t.sub(x, held(largest, dropped.includes("shift"))));
      const sum = held(t.sum(e, [1], { keepDims: true }), dropped.includes("sum"));
      return { value: t.div(held(e, dropped.includes("own")), sum), inputs: named(x) };
    },
  });

export type PoolTerm = "gather" | "cotangent";

/** The square of a max pooling: its gradient is 2 scatter(gather(x)), and that one's 2 scatter(gather(.)). */
export const poolTermsFigure = (): Live<TermsState<PoolTerm>> =>
  termsFigure<PoolTerm>({
    id: "pool-terms",
    title: "Two factors of max pooled images, each of which is differentiated or held",
    terms: { gather: "the first factor depends on x", cotangent: "the second factor depends on x" },
    orders: 2,
    subject: (dropped) => {
      const x = variable("x", [1, 4, 4, 1]);
      const pooled = t.maxPool2d(x, 2);
      const factors = (["gather", "cotangent"] as const)
        .map((term) => held(pooled, dropped.includes(term)));
      return { value: t.sum(t.mul(factors[0], factors[1])), inputs: named(x) };
    },
  });
