/** Chapter: a training step as a machine. */

import { html } from "lit-html";
import type { Chapter } from "../chapter.ts";
import { machineFigure, type MachineState } from "../figures/machine.ts";
import { display, math } from "../parts/math.ts";
import { checkedIn, questions } from "../parts/question.ts";

const START: MachineState = {
  ...{ model: "small", step: "train", batch: 32, target: "gpu", times: 0, kernel: 0 },
};

const body = () => {
  const machine = machineFigure(START);
  return html`
    <h1>A training step as a machine</h1>
    <p class="lead">
      A training step is always the same work on other numbers. So it is planned once: which kernels,
      in which order, which values share memory. After that nothing is decided any more, and a step is
      one list of commands.
    </p>

    <h2>From a loss to a list</h2>
    <p>
      The network is applied to a batch that is not there yet, an input with a shape. That gives a graph;
      the loss is its last node. Differentiating it gives more nodes, a gradient for each parameter
      ${math`w`}, and with those the new values
    </p>
    ${display`w \;\leftarrow\; w - \eta\,\frac{\partial L}{\partial w} .`}
    <p>
      Everything in the figure follows from that graph. It is made in this page, of the same code that
      trains, and needs no GPU. (What it leaves out is how a batch is fetched, and the optimiser's
      momentum.) Each bar is a kernel, in the order in which they run. Its colour tells how often what it
      computes has been differentiated. Move the slider, and read the kernel's shader.
    </p>
    ${machine.element}

    <h2>Memory is a tide</h2>
    <p>
      In the forward pass memory rises: a gradient will ask for what each layer has seen, so values are
      kept. In the backward pass the last kernel that reads a value lets go of it, the first layers' large
      maps last of all. Evaluate a batch instead of training on it, and there is no tide: a value is let
      go of as soon as the next layer has read it.
    </p>
    <p>
      A value's life is from the kernel that writes it to the last that reads it. Two whose lives don't
      meet may lie in the same buffer. The plan takes the largest values first, and gives
      each the tightest buffer that is free for as long as it lives, or a new one. In the order of time a
      large value would find only the buffers of smaller ones. The second drawing has a line for each
      buffer, as high as it is large, and in it the values that take turns; what is empty is lost. The
      difference between the two numbers above the drawings is what turns save. Several buffers, and not one large one cut into pieces: WebGPU puts
      what touches the same buffer one after the other, and pieces of one would all wait for each other.
    </p>

    <h2>What was fused</h2>
    <p>
      Names such as <code>sub mul add</code> are kernels that do several operations in one pass over
      memory. Such kernels do one operation for each number that they load, while a GPU could do some
      sixty. Each operation that rides along with another is a pass over memory that does not happen.
      A convolution takes a chain along, too: the ReLU's gate behind an input gradient is done before
      its result is first stored.
    </p>
    <p>
      The list <em>Its graph</em> below the figure names for every operation the kernel that is made for it
      or whose result it is, or says that it is fused: computed on the way. What is not fused has a reason, always the same: somebody else reads the value as well, or its
      reader wants it in another order. A sum over the batch, which batch normalisation needs of every
      map, ends a chain.
    </p>

    <h2>Three times a convolution</h2>
    <p>
      A convolution has a forward kernel and two gradients, at its input and at its weights. Each of the
      three is as much work as the others. So a training step is three times an evaluation, less the first
      layer, whose input, the image, wants no gradient.
    </p>
    <p>
      <em>Treating</em> adds a constraint on the gradient of a class's score at some layer,
      ${math`\partial z_k / \partial A`}: it shall be small at the kernels that are not the class's own.
      To train on it, it has to be differentiated itself:
    </p>
    ${display`\frac{\partial}{\partial w}\Big(L + \alpha \sum_j m_{kj} \Big\lVert \Big[\frac{\partial z_k}{\partial A_j}\Big]_+ \Big\rVert \Big) .`}
    <p>
      The gradient at ${math`A`} runs only from the score back to ${math`A`}, through the layers above. And
      so does what the second derivative adds: the bars of its colour belong to the layers above ${math`A`}.
      The deeper a layer lies, the cheaper it is to hold its gradients, down to nearly nothing at the last.
      A convolution's second derivative is made of convolutions: no kernel is new, as the chapter on its
      trilinear form shows.
    </p>

    ${questions(15, [
      {
        asks:
          html`When a network evaluates a batch, why does it need so much less memory than in training?`,
        answer:
          html`Nobody will ask for what a layer has seen. A value is let go of when the next layer
        has read it, so a few buffers are used over and over.`,
        check: checkedIn(machine, { ...START, step: "evaluate" }),
      },
      {
        asks:
          html`How many times the work of an evaluation is a training step, and why not exactly three?`,
        answer:
          html`Of each convolution three faces are computed, each as much work. The first layer
        has no input gradient, since nobody differentiates at the image. Compare the rows
        <em>forward</em> and <em>gradient</em> in the table.`,
        check: checkedIn(machine, START),
      },
      {
        asks: html`Which kernels does a treatment add, and to which layers do they belong?`,
        answer:
          html`Those of the second derivative, at the layers between the one that is constrained
        and the score; and the gradients of the score, which the loss's own do not hold. The layers below
        get another gradient, and no more kernels.`,
        check: checkedIn(machine, { ...START, step: "treat" }),
      },
    ])}
  `;
};

export const chapter: Chapter = { body };
