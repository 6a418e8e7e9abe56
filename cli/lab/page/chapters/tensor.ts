/** Chapter: a tensor is a node. */

import { html } from "lit-html";
import autograd from "../../../../engine/tensor/autograd.ts" with { type: "text" };
import pointwise from "../../../../engine/tensor/pointwise.ts" with { type: "text" };
import { subjectOf } from "../../../../engine/lab/subject.ts";
import type { Chapter } from "../chapter.ts";
import { type Checked, checked, checkTable } from "../figures/check.ts";
import { stagesFigure } from "../figures/stages.ts";
import { code, excerpt } from "../parts/code.ts";
import { controls, line, slider } from "../parts/controls.ts";
import { live } from "../parts/live.ts";
import { display, math } from "../parts/math.ts";
import { checkedIn, questions } from "../parts/question.ts";

const START = { text: "sum(x * sigmoid(x))", shapes: "x=6", order: 1 };

const body = () => {
  const stages = stagesFigure({ ...START, stage: "written", node: "value" });
  const check = live<{ text: string; order: number }, { text: string; order: number }, Checked>({
    id: "check",
    title: "The same gradients, three ways",
    start: { text: START.text, order: 3 },
    asks: (state) => state,
    compute: ({ text, order }) => {
      const shapes = text === START.text ? [START.shapes] : [];
      return checked(subjectOf(text, { shapes }), order);
    },
    view: ({ text, order }, set, result) =>
      html`${
        controls(
          line("Expression", text, (text) => set({ text })),
          slider("Orders", order, [0, 4], (order) => set({ order })),
        )
      }${result ? checkTable(result) : html`<p role="status">Computing ..</p>`}`,
  });

  return html`
    <h1>A tensor is a node</h1>
    <p class="lead">
      Most people think of a tensor as numbers in memory. Here it is a note of how the numbers would
      be computed. That is what makes a gradient, and the gradient of a gradient, ordinary things.
    </p>

    <h2>Building computes nothing</h2>
    <p>
      When a program says <code>mul(x, y)</code>, the engine makes a node: the operation's name, its
      two inputs, the shape that the result will have. No element is touched. Nodes that point at
      nodes form a graph without circles, and every node is older than those that use it.
    </p>
    <p>
      In the figure, type an expression and see its graph. An ellipse is an input, a box an operation.
      Numbers such as 0.5 are written into the boxes that use them. Point at a node, or press it: only
      then is there a value to show, computed twice, in float64 on the processor and by the engine's
      kernels on your GPU.
    </p>
    ${stages.element}

    <h2>A gradient is a graph too</h2>
    <p>
      Let the last node be a number ${math`L`}. Write ${math`\bar v`} for
      ${math`\partial L / \partial v`}, how much ${math`L`} changes when the node ${math`v`} does. If
      ${math`v`} is used by the nodes ${math`u_1, u_2, \ldots`}, the chain rule says
    </p>
    ${display`\bar v \;=\; \sum_i \Big(\frac{\partial u_i}{\partial v}\Big)^{\!\top} \bar u_i .`}
    <p>
      So one walks from the end to the beginning. At every node stands a rule that says what it sends
      back to its inputs, given what has reached it; where two paths meet, what they send is added.
      The rule of a product sends to each factor the other one:
    </p>
    ${code(excerpt(pointwise, "  mul: {", "  },"), "engine/tensor/pointwise.ts")}
    <p>
      Look at what the rule is written in: <code>mul</code> again. It does not compute a gradient, it
      builds nodes that would. Here is the walk, all of it:
    </p>
    ${code(
      excerpt(
        autograd,
        "  const path = nodesBetween",
        "  return inputs.map((input) => gradient.get(input));",
      ),
      "engine/tensor/autograd.ts",
    )}
    <p>
      Since the result is a graph of the same operations, nothing new is needed to differentiate it
      again. Move <em>Differentiated</em> in the figure from 0 to 3 and watch nodes appear, in a colour
      of their own for each order. A gradient shares the nodes of what it is the gradient of: in
      ${math`\sigma'(x) = \sigma(x)\,(1 - \sigma(x))`} the sigmoid is the one that was there.
    </p>
    <p>
      The gradient of order ${math`k`} that is drawn is that of the sum of all elements of the gradients
      of order ${math`k-1`}. For an expression that works element by element this is the plain
      ${math`k`}-th derivative of each element.
    </p>

    <h2>Before anything runs</h2>
    <p>
      A graph as people and rules write it is wasteful. A <em>plan</em> reads it once, before the first
      run, and makes of it what the GPU does at every step. The stages can be chosen in the figure.
    </p>
    <ol>
      <li>
        <strong>Merge.</strong> Nodes that compute the same from the same become one. Rules need not look
        whether a node is there already: they write it down once more.
      </li>
      <li>
        <strong>Simplify.</strong> What only carries a rule, such as a reshape of a reshape, goes. A
        factor that is constant along a sum leaves the sum. The table below the drawing tells what became
        of every node.
      </li>
      <li>
        <strong>Fuse.</strong> A GPU computes far faster than it reads memory. So a node that is used
        once, element by element, gets no memory; whoever reads it computes it on the way. Such nodes
        are dashed.
      </li>
      <li>
        <strong>Kernels.</strong> What is left has memory, and a kernel that writes it. The figure plans
        for a GPU, whatever yours is, so that everybody sees the same.
      </li>
    </ol>
    <p>
      None of this changes a value: point at the same result at every stage.
    </p>

    <h2>Why one may believe it</h2>
    <p>
      A rule can be wrong in two ways: the kernel may not compute what the graph says, and the graph may
      not be the derivative. Each has its own witness. The graph is evaluated in float64 by a plain
      program that shares no code with the kernels. And that is held to finite differences,
    </p>
    ${display`f'(0) \approx \frac{8\,\big(f(h) - f(-h)\big) - \big(f(2h) - f(-2h)\big)}{12\,h},`}
    <p>
      which know nothing of rules. What float32 may be off by is not guessed either: the graph is
      evaluated once more with every operation rounded.
    </p>
    ${check.element}

    ${questions(1, [
      {
        asks:
          html`A rule is called once for each order of differentiation. Why is it never called with
        numbers?`,
        answer:
          html`It is called while the graph is built, and building computes nothing: what it gets
        and what it returns are nodes. That is why a gradient can be differentiated. In the figure at
        order 2, the nodes of the second colour have operands of the first: the rules were applied to
        nodes that rules had made.`,
        check: checkedIn(stages, { ...START, order: 2, stage: "written" }),
      },
      {
        asks: html`How many sigmoids are computed for ${math`\sum x\,\sigma(x)`} together with its
        first three derivatives?`,
        answer:
          html`One. Every derivative of the sigmoid is a polynomial in the sigmoid itself, and the
        rules use the node that is there. At the stage <em>simplified</em> the list of nodes has one
        operation of that name.`,
        check: checkedIn(stages, { ...START, order: 3, stage: "simplified" }),
      },
      {
        asks:
          html`The third derivative of <code>sum(x * x * 3)</code>: what does the engine compute?`,
        answer: html`Nothing. The second derivative is the constant 6, no path leads from it to
        ${math`x`}, and so there is no node. The check says from which order on everything is zero.`,
        check: checkedIn(check, { text: "sum(x * x * 3)", order: 3 }),
      },
    ])}
  `;
};

export const chapter: Chapter = { body };
