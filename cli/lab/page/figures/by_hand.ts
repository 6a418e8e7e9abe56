/** The double backward of conv -> norm -> ReLU: followed by hand, and as `grad` finds it. */

import { html, type TemplateResult } from "lit-html";
import { drawn } from "../../../../engine/lab/subject.ts";
import * as t from "../../../../engine/tensor/mod.ts";
import { checkbox, controls } from "../parts/controls.ts";
import { type Evaluated, evaluated } from "../parts/evaluate.ts";
import { type Live, live } from "../parts/live.ts";
import { math } from "../parts/math.ts";
import { show, showError, table } from "../parts/numbers.ts";

export interface HandState {
  /** Whether mean and variance are taken for constants. */
  readonly constant: boolean;
}

interface Line {
  readonly name: TemplateResult;
  readonly formula: TemplateResult;
  readonly byHand: t.Tensor;
  readonly byGrad: t.Tensor;
}

const EPS = 1e-5;
const IMAGE: t.Shape = [2, 4, 4, 2];

function variable(name: string, shape: t.Shape): t.Variable {
  return new t.Variable(name, shape, drawn(name, shape, [-1, 1], 5));
}

/** The mean of each channel, repeated to the shape of what it is of. */
function m(a: t.Tensor): t.Tensor {
  return t.broadcastTo(t.mean(a, [0, 1, 2], { keepDims: true }), a.shape);
}

/** Both ways, with the same operands. */
function linesOf({ constant }: HandState): readonly Line[] {
  const [x, w] = [variable("x", IMAGE), variable("w", [3, 3, 2, 2])];
  const [s, direction] = [variable("s", IMAGE), variable("t", IMAGE)];
  const conv = { padding: 1 };
  const y = t.conv2d(x, w, conv);

  // As a program would have it: the graph, and grad of grad.
  const z = t.normalize(y, t.batchStatistics(y), t.constant(1), t.constant(0), EPS);
  const loss = t.sum(t.mul(s, t.relu(z)));
  const [yBar] = t.grad(loss, [y]);
  const [xBar] = t.grad(loss, [x]);
  const second = t.sum(t.mul(direction, xBar));
  const [zBar] = t.grad(loss, [z]);
  const [, ofY, ofW, ofX] = t.grad(second, [xBar, y, w, x]);
  const u = t.conv2d(direction, w, conv);

  // By hand.
  const rho = t.rsqrt(t.add(m(t.square(t.sub(y, m(y)))), EPS));
  const own = t.mul(t.sub(y, m(y)), rho);
  const a = t.gate(s, own);
  const project = (v: t.Tensor) =>
    constant ? t.mul(rho, v) : t.mul(rho, t.sub(t.sub(v, m(v)), t.mul(own, m(t.mul(v, own)))));
  const yHand = project(a);
  const kappa = t.sub(
    t.sub(m(t.mul(a, u)), t.mul(m(a), m(u))),
    t.mul(m(t.mul(a, own)), m(t.mul(u, own))),
  );
  const bracket = t.add(
    t.mul(t.mul(rho, kappa), own),
    t.add(t.mul(m(t.mul(u, own)), yHand), t.mul(m(t.mul(a, own)), project(u))),
  );
  const yTilde = constant ? t.mul(own, 0) : t.neg(t.mul(rho, bracket));
  return [
    {
      name: math`\bar z`,
      formula: math`\mathbf 1[z>0]\, s`,
      byHand: a,
      byGrad: zBar,
    },
    {
      name: math`\bar y`,
      formula: constant ? math`\rho\,\bar z` : math`N(\bar z)`,
      byHand: yHand,
      byGrad: yBar,
    },
    {
      name: math`\bar x`,
      formula: math`W^{\top} \bar y`,
      byHand: t.conv2dInputGrad(yHand, w, x.shape, conv),
      byGrad: xBar,
    },
    {
      name: math`\partial S/\partial y`,
      formula: constant
        ? math`0`
        : math`-\rho\,\big(\rho\kappa z + m(uz)\,N(\bar z) + m(\bar z z)\,N(u)\big)`,
      byHand: yTilde,
      byGrad: ofY,
    },
    {
      name: math`\partial S/\partial w`,
      formula: math`\mathrm{wgrad}(t, \bar y) + \mathrm{wgrad}(x, \partial S/\partial y)`,
      byHand: t.add(
        t.conv2dWeightGrad(direction, yHand, w.shape, conv),
        t.conv2dWeightGrad(x, yTilde, w.shape, conv),
      ),
      byGrad: ofW,
    },
    {
      name: math`\partial S/\partial x`,
      formula: math`W^{\top}\, \partial S/\partial y`,
      byHand: t.conv2dInputGrad(yTilde, w, x.shape, conv),
      byGrad: ofX,
    },
  ];
}

export const byHandFigure = (): Live<HandState> =>
  live<HandState, HandState, readonly Evaluated[]>({
    id: "by-hand",
    title: "The double backward of conv -> norm -> ReLU, by hand and by grad of grad",
    start: { constant: false },
    asks: (state) => state,
    compute: (state) => {
      const lines = linesOf(state);
      return evaluated(lines.flatMap(({ byHand, byGrad }) => [byHand, byGrad]));
    },
    view: (state, set, result) =>
      html`${
        controls(
          checkbox(
            "by hand, take mean and variance for constants",
            state.constant,
            (constant) => set({ constant }),
          ),
        )
      }${result ? comparison(linesOf(state), result) : html`<p role="status">Computing ..</p>`}`,
  });

function comparison(lines: readonly Line[], values: readonly Evaluated[]): TemplateResult {
  const rows = lines.map(({ name, formula }, i) => {
    const [byHand, byGrad] = values.slice(2 * i, 2 * i + 2);
    const off = apart(byHand.exact, byGrad.exact);
    return {
      ok: off < 1e-9,
      cells: [
        ...[name, formula, show(size(byHand.exact)), show(size(byGrad.exact)), showError(off)],
        byGrad.error === undefined ? "no GPU" : showError(byGrad.error),
        off < 1e-9
          ? html`<span class="right">the same</span>`
          : html`<span class="wrong">WRONG</span>`,
      ],
    };
  });
  const wrong = rows.filter(({ ok }) => !ok).length;
  return html`<p role="status">${
    wrong === 0
      ? html`<span class="right">By hand and by grad of grad: the same.</span>`
      : html`<span class="wrong">${wrong} of ${rows.length} are wrong by hand.</span>`
  }</p>${
    table(
      "L2 norms in float64, and how far the two are apart",
      ["", "by hand", "norm by hand", "norm by grad", "apart", "GPU off by", ""],
      rows.map(({ cells }) => cells),
    )
  }`;
}

const size = (a: Float64Array) => Math.hypot(...a);

const apart = (a: Float64Array, b: Float64Array) =>
  size(a.map((value, i) => value - b[i])) / (size(b) || 1);
