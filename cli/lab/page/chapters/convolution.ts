/** Chapter: convolution is one trilinear form. */

import { html } from "lit-html";
import conv from "../../../../engine/tensor/conv.ts" with { type: "text" };
import type { Chapter } from "../chapter.ts";
import { byHandFigure } from "../figures/by_hand.ts";
import { facesFigure } from "../figures/faces.ts";
import { phasesFigure, weightFigure } from "../figures/phases.ts";
import { code, excerpt } from "../parts/code.ts";
import { display, math } from "../parts/math.ts";
import { checkedIn, questions } from "../parts/question.ts";

const body = () => {
  const [faces, phases, weight, byHand] = [
    facesFigure(),
    phasesFigure(),
    weightFigure(),
    byHandFigure(),
  ];
  return html`
    <h1>Convolution is one trilinear form</h1>
    <p class="lead">
      A convolution has a forward pass and two gradients, each of these has gradients again, and so on
      without end. It looks like a growing family of programs. It is three, and they are one.
    </p>

    <h2>One sum, three ways to read it</h2>
    <p>
      Take an image ${math`x`}, a filter ${math`w`} and a third thing of the output's shape, ${math`y`}.
      Multiply the output of the convolution with it and add up. On a line of pixels, with stride
      ${math`s`}, padding ${math`a`} and dilation ${math`d`}:
    </p>
    ${display`F(x, w, y) \;=\; \langle y,\; x * w\rangle \;=\; \sum_{p}\sum_{r} \; y_p \; x_{\,p s - a + r d} \; w_r .`}
    <p>
      An image has two such axes, and channels: ${math`x`} has an index ${math`c`} more, ${math`y`} an
      index ${math`k`}, ${math`w`} both, and a batch adds ${math`n`}. Nothing else changes.
    </p>
    <p>
      ${math`F`} is linear in each of the three when the others are held: it is
      <em>trilinear</em>. So its derivative in one of them is what remains when that one is left out.
      Leave out ${math`y`}, and the forward pass remains. Leave out ${math`x`}: the input gradient.
      Leave out ${math`w`}: the weight gradient. Each product ${math`y_p\, x_h\, w_r`} appears in all three, and what differs is
      only which of its factors names the place where the product is added.
    </p>
    <p>
      In the figure, point at any element of a face, with the mouse or with the arrow keys. The
      elements of the other two that it meets are outlined, and the sum below is the derivative of
      ${math`F`} in that element. For an element of ${math`y`} this is the output itself; for one of
      ${math`x`} or ${math`w`} it is the gradient that backpropagation would leave there if ${math`y`}
      had come back from the loss.
    </p>
    ${faces.element}
    <p>
      Move the stride to 2 and point at neighbours in ${math`x`}: some are met by four products, some by
      two, some by one. Move the padding, and the corners of ${math`x`} gain. With two channels and two
      groups each filter sees one channel only.
    </p>

    <h2>The gradients of each are the other two</h2>
    <p>
      Let the loss depend on the output ${math`u = x * w`}, and ${math`y = \partial L/\partial u`}. Then
      for small changes ${math`\mathrm dL = \langle y, \mathrm d(x * w)\rangle`}, so that
    </p>
    ${display`\bar x = \frac{\partial F}{\partial x}(w, y), \qquad \bar w = \frac{\partial F}{\partial w}(x, y).`}
    <p>
      Now differentiate the input gradient. It is a function of ${math`w`} and ${math`y`}, and if
      ${math`t`} comes back for it, the scalar is ${math`\langle t, \bar x\rangle = F(t, w, y)`}: the same
      form, with ${math`t`} in the place of the image. Its derivatives are again the form with one left
      out: in ${math`y`} the forward pass of ${math`t`}, in ${math`w`} the weight gradient of ${math`t`}
      and ${math`y`}. The same holds for the third. Three kernels, closed under differentiation of any
      order. This is the program:
    </p>
    ${code(
      excerpt(
        conv,
        "export const CONV2D",
        "/** The kernels of a face, Winograd's or the one that is direct. */",
      )
        .split("\n").slice(0, -2).join("\n"),
      "engine/tensor/conv.ts",
    )}

    <h2>The strided input gradient, by phases</h2>
    <p>
      For a pixel ${math`h`} of the image the gradient adds the products with
      ${math`p s - a + r = h`}. Textbooks solve this by putting ${math`s - 1`} zeros between the
      elements of ${math`y`} and convolving with the turned filter: most products are then with zeros.
      Better: write ${math`h + a = s m + f`}, with the <em>phase</em> ${math`f`} between 0 and
      ${math`s - 1`}. Then ${math`r`} must leave the same rest as ${math`f`}: ${math`r = f + s j`}, and
      ${math`p = m - j`}. So
    </p>
    ${display`\bar x_{\,s m + f - a} \;=\; \sum_{j}\; y_{m-j}\; w_{f + s j} .`}
    <p>
      Within a phase this is a plain convolution of stride 1 with every ${math`s`}-th tap, and no zero is
      ever multiplied. The figure makes each phase so, with <code>conv2d</code>, and puts them together.
    </p>
    ${phases.element}

    <h2>The weight gradient is a dilated correlation</h2>
    <p>Leave out ${math`w`} and look at what is left:</p>
    ${display`\bar w_r \;=\; \sum_p \; y_p \; x_{\,r d + p s - a} .`}
    <p>
      Compare with the forward pass, ${math`\sum_r w_r\, x_{p s + r d - a}`}. It is the same formula
      with ${math`y`} for the filter, and ${math`s`} and ${math`d`} have changed places: the output moves by
      the dilation, and the taps lie ${math`s`} apart. Neighbouring outputs lay ${math`s`} pixels apart in
      the image, and now they are the taps.
    </p>
    ${weight.element}

    <h2>A double backward, followed by hand</h2>
    <p>
      A layer of a network is a convolution, a normalisation and a ReLU:
      ${math`y = W x`}, ${math`z = \rho\,(y - \mu)`} with ${math`\rho = 1/\sqrt{\operatorname{var} y + \epsilon}`},
      ${math`L = \langle s, \operatorname{relu} z\rangle`}. (${math`W`} stands for convolving with
      ${math`w`}; ${math`m`} is the mean of a channel, of ${math`M`} elements.) Backwards once:
    </p>
    ${display`\bar z = \mathbf 1[z > 0]\, s, \qquad \bar y = N(\bar z) = \rho\,\big(\bar z - m(\bar z) - z\, m(\bar z z)\big), \qquad \bar x = W^{\top} \bar y .`}
    <p>
      ${math`N`} takes out of its argument what a shift and a scaling of the channel would do: the
      normalisation undoes both, so they change nothing. The <a href="#norm">next chapter</a> derives it.
      Now constrain that gradient: let ${math`S = \langle t, \bar x\rangle`}, and ask for its gradient.
      The convolution is easy, for ${math`S = \langle W t, \bar y\rangle = \langle u, N(\bar z)\rangle`}
      with ${math`u = W t`}, and the filter gets the weight gradient of ${math`t`} and ${math`\bar y`}.
      The ReLU's mask is constant. What is left is that ${math`N`} itself depends on ${math`y`}, through
      ${math`\rho`} and ${math`z`}. From ${math`\mathrm d\rho = -\rho^2\, m(z\, \mathrm dy)`} and
      ${math`\mathrm dz = N(\mathrm dy)`} follows, with
      ${math`\kappa = m(\bar z u) - m(\bar z)\, m(u) - m(\bar z z)\, m(u z)`},
    </p>
    ${display`\frac{\partial S}{\partial y} \;=\; -\rho\,\Big(\rho\,\kappa\, z + m(u z)\, N(\bar z) + m(\bar z z)\, N(u)\Big),`}
    <p>
      and from there it goes back through the convolution as any cotangent does. The figure computes
      both sides. Tick the box to see what is lost where mean and variance pass for constants.
    </p>
    ${byHand.element}

    ${questions(4, [
      {
        asks: html`Why is the weight gradient of a strided convolution a dilated correlation?`,
        answer:
          html`In ${math`\bar w_r = \sum_p y_p\, x_{rd + ps - a}`} the cotangent ${math`y`} plays
        the filter, and its element ${math`p`} meets the image ${math`s`} pixels further for each
        ${math`p`}: taps that lie ${math`s`} apart. That is a dilation of ${math`s`}. The old dilation becomes the stride.`,
        check: checkedIn(weight, { kernel: 3, stride: 3, padding: 0, dilation: 1 }),
      },
      {
        asks:
          html`A kernel of 2 with stride 3: which pixels' gradients are zero whatever the loss, and
        why?`,
        answer:
          html`Those of phase 2, since ${math`r = 2 + 3j`} is no tap of the kernel. Those pixels lie
        between the windows: the output does not see them.`,
        check: checkedIn(phases, { kernel: 2, stride: 3, padding: 0 }),
      },
      {
        asks:
          html`Stride 2, kernel 3, padding 1. How many products make the gradient at the pixel in row
        2, column 2, and at its neighbour to the right?`,
        answer:
          html`One and two. Along an axis the phase ${math`h + 1`} mod 2 decides: an odd one has the
        tap 1, an even one the taps 0 and 2. In two dimensions the numbers multiply: 1, 2, 2 and 4.`,
        check: checkedIn(faces, {
          ...{ kernel: 3, stride: 2, padding: 1, dilation: 1, channels: 1, groups: 1 },
          ...{ face: "x", at: 14 },
        }),
      },
      {
        asks:
          html`In the double backward, which of ${math`\partial S/\partial w`}'s two parts is left if
        the statistics are taken for constants?`,
        answer: html`The direct one, ${math`\mathrm{wgrad}(t, \rho \bar z)`}, and even that with the
        wrong ${math`\bar y`}. The part through ${math`\partial S/\partial y`} vanishes, and with it all
        of ${math`\partial S/\partial x`}: the function is then piecewise linear in ${math`x`}.`,
        check: checkedIn(byHand, { constant: true }),
      },
    ])}
  `;
};

export const chapter: Chapter = { body };
