/** Chapter: batch normalisation, max pooling, softmax. */

import { html } from "lit-html";
import norm from "../../../../engine/tensor/norm.ts" with { type: "text" };
import pool from "../../../../engine/tensor/pool.ts" with { type: "text" };
import reduce from "../../../../engine/tensor/reduce.ts" with { type: "text" };
import type { Chapter } from "../chapter.ts";
import { normFigure, poolTermsFigure, secondFigure, softmaxFigure } from "../figures/norm_terms.ts";
import { poolFigure } from "../figures/pool.ts";
import { code, excerpt } from "../parts/code.ts";
import { display, math } from "../parts/math.ts";
import { checkedIn, questions } from "../parts/question.ts";

const body = () => {
  const [first, second] = [normFigure(), secondFigure()];
  const [pooling, poolTerms, softmax] = [poolFigure(), poolTermsFigure(), softmaxFigure()];
  return html`
    <h1>Batch normalisation, max pooling, softmax</h1>
    <p class="lead">
      Three operations in which a derivative is easily wrong and nobody notices: a network trains on
      with a gradient that lacks a term, only worse. Here every term can be dropped, and the check
      that finds it out is beside it.
    </p>

    <h2>Batch normalisation, once</h2>
    <p>
      A channel has ${math`M`} values ${math`x_i`}, over the batch and over space. With the mean
      ${math`\mu = m(x)`}, the variance ${math`v = m((x - \mu)^2)`} and
      ${math`\rho = 1/\sqrt{v + \epsilon}`} it becomes ${math`z = \rho\,(x - \mu)`}. (A scale and a shift
      follow; they are linear, and left out here.)
    </p>
    ${code(excerpt(norm, "export function normalize", "}"), "engine/tensor/norm.ts")}
    <p>
      Change every ${math`x_i`} a little. The mean changes by ${math`m(\mathrm dx)`}. The variance
      changes by ${math`\mathrm dv = 2\, m((x - \mu)\, \mathrm dx)`}: that the mean moves too adds
      nothing, since the distances from it sum to zero. So ${math`\rho`} changes by
      ${math`-\tfrac12 \rho^3\, \mathrm dv = -\rho^2\, m(z\, \mathrm dx)`}, and together
    </p>
    ${display`\mathrm dz \;=\; \rho\,\big(\mathrm dx - m(\mathrm dx) - z\, m(z\, \mathrm dx)\big) \;=\; N(\mathrm dx).`}
    <p>
      ${math`N`} is a symmetric matrix: ${math`\langle a, N b\rangle = \langle N a, b\rangle`}. So the
      gradient that goes back is the same map, ${math`\bar x = N(\bar z)`}. It takes out the mean, and
      what points along ${math`z`}: adding a number to all ${math`x_i`}, or scaling them, changes
      nothing behind the normalisation, so no gradient may point there.
    </p>
    <p>
      Untick a box below. The term is then held constant: the function's value stays, and its gradient
      is no longer one of that function. The engine and float64 go on to agree, for both compute the
      same wrong graph. Finite differences do not.
    </p>
    ${first.element}

    <h2>Batch normalisation, twice</h2>
    <p>
      A constraint on gradients needs the derivative of ${math`N(g)`}. In ${math`g`} it is linear, and
      its derivative is ${math`N`} again. But ${math`N`} depends on ${math`x`} as well, through
      ${math`\rho`} and through ${math`z`}. For a scalar ${math`S = \langle u, N(g)\rangle`} let
      ${math`\kappa = m(ug) - m(u)\,m(g) - m(uz)\,m(gz)`}, so that ${math`S = M \rho\, \kappa`}. Then
      with ${math`\mathrm d\rho`} and ${math`\mathrm dz`} from above
    </p>
    ${display`\frac{\partial S}{\partial x} \;=\; -\rho\,\Big(\underbrace{\rho\,\kappa\, z}_{\text{from } \rho} \;+\; \underbrace{m(uz)\, N(g) + m(gz)\, N(u)}_{\text{from } z}\Big).`}
    <p>
      None of these is small. An implementation that saves ${math`\rho`} and ${math`z`} in the forward
      pass and takes them for constants in the backward pass has the right first derivative, and a
      second one that lacks all of it. The engine writes normalisation in sums and products, each with
      its rule, so there is no place where a term could be forgotten. One shortcut it takes: the variance's
      derivative is given as ${math`2\,(x - \mu)/M`}, which is exact, and stays differentiable.
    </p>
    ${code(excerpt(reduce, "const VARIANCE", "});"), "engine/tensor/reduce.ts")}
    ${second.element}

    <h2>Max pooling</h2>
    <p>
      Of each window the largest element is taken. In two steps: find <em>where</em> it lies, and take
      what lies there. The first has no derivative, because an index does not change when the image
      changes a little. The second is linear: a gather.
    </p>
    ${display`\mathrm{pool}(x) = G_{i(x)}\, x, \qquad \bar x = G_{i}^{\top}\, \bar y .`}
    <p>
      ${math`G^\top`} is a scatter: each element of the cotangent goes to the pixel that its window took,
      and adds up where windows overlap. The gather's gradient is the scatter, the scatter's the gather,
      with the same indices: closed again, for any order.
    </p>
    ${code(excerpt(pool, "const GATHER", "});"), "engine/tensor/pool.ts")}
    <p>
      In the figure choose a pixel and make it larger. As long as it wins no window, nothing behind it
      notices. At the moment in which it does, its gradient jumps. When two are equal the first is
      taken: there the function has a kink, and no gradient is right on both sides.
    </p>
    ${pooling.element}
    <p>
      Where does a second derivative come from, if pooling is linear between kinks? From what stands
      around it. In ${math`\sum \mathrm{pool}(x)^2`} the pooled image is multiplied with itself, and the
      gradient is twice the scatter of the gather. Hold one of the two factors:
    </p>
    ${poolTerms.element}

    <h2>Softmax</h2>
    ${display`p_i = \frac{e^{x_i - c}}{\sum_j e^{x_j - c}}, \qquad \frac{\partial p_i}{\partial x_j} = p_i\,(\delta_{ij} - p_j).`}
    <p>
      ${math`c`} is the largest of the ${math`x_j`}, subtracted so that nothing overflows. The value does
      not depend on ${math`c`} at all, and so <em>this</em> may be held constant: the one box below that
      can be unticked without harm, in every order. The other two are the two terms of the formula:
      ${math`p_i\,\delta_{ij}`} comes from the numerator, ${math`-p_i\,p_j`} from the sum.
    </p>
    ${softmax.element}
    <p>
      The cross entropy ${math`-\log p_k`} has the gradient ${math`p - e_k`}, and so the second derivative
      ${math`\operatorname{diag}(p) - p\,p^{\top}`}, whatever the label is. Its rows add up to zero:
      a number added to all logits changes nothing.
    </p>

    ${questions(8, [
      {
        asks: html`What does the second derivative of batch normalisation hold that treating the
        statistics as constants drops?`,
        answer: html`All that comes from ${math`N`}'s own dependence on ${math`x`}:
        ${math`-\rho^2 \kappa z`} because the deviation changes, and
        ${math`-\rho\,(m(uz) N(g) + m(gz) N(u))`} because ${math`z`}, along which ${math`N`} projects,
        changes. With constants the gradient would be ${math`\rho g`}, which does not depend on
        ${math`x`} at all: its derivative is zero. In the figure the gradient at x is wrong with either box unticked,
        and the one at g is right: in it ${math`N`} is linear.`,
        check: checkedIn(second, { dropped: ["rho", "z"] }),
      },
      {
        asks:
          html`The engine agrees with float64 to seven digits, and the gradient is wrong. How can
        that be, and what finds it?`,
        answer: html`Both evaluate the same graph, and the graph is not the derivative. Only what
        knows the function and not the rule finds it: finite differences. The column <em>differences
        off by</em> shows it while the one before stays small.`,
        check: checkedIn(first, { dropped: ["deviation"], orders: 1 }),
      },
      {
        asks: html`Why may the largest logit be held constant in softmax, but not the sum?`,
        answer:
          html`The derivative of the value in ${math`c`} is zero for every ${math`c`}: numerator and sum
        scale alike. A term that is multiplied with zero can be dropped, in every order. The sum has a derivative, ${math`p_j`} for each logit,
        and without it ${math`-p_i p_j`} is missing.`,
        check: checkedIn(softmax, { dropped: ["shift"] }),
      },
    ])}
  `;
};

export const chapter: Chapter = { body };
