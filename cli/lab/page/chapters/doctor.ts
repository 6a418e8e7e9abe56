/** Chapter: Model Doctor, live. */

import { html } from "lit-html";
import type { Chapter } from "../chapter.ts";
import { diagnosisFigure } from "../figures/diagnosis.ts";
import { ownFigure } from "../figures/own.ts";
import { sightFigure, type SightState } from "../figures/sight.ts";
import { trialFigure } from "../figures/trial.ts";
import { display, math } from "../parts/math.ts";
import { checkedIn, questions } from "../parts/question.ts";

const START: SightState = { figure: 3, ground: 3, dx: 0, dy: 0, score: "likeliest" };

const body = () => {
  const sight = sightFigure(START);
  const diagnosis = diagnosisFigure({ images: 10, asked: 0 });
  const trial = trialFigure({ steps: 60, channel: 1, space: 10, asked: 0, points: [] });
  const own = ownFigure({
    ...{ model: "resnet18", classes: 10, size: 32, scaling: "imagenet", layer: "", given: 0 },
  });
  return html`
    <h1>Model Doctor, live</h1>
    <p class="lead">
      A classifier that is often right may be right for the wrong reason. Its gradients tell what it
      goes by; a constraint on them can make it go by something else.
    </p>

    <h2>The patient</h2>
    <p>
      A network of three convolutions and 11,000 parameters, trained on 3,600 images of drawn figures. In
      nine training images of ten the background was the class's own: an honest shortcut. In the test
      images, from which those below are taken, backgrounds go with nothing.
    </p>
    <p>
      Choose an image. Drag its background, or take another's, and see the logits follow, though the
      figure has not moved. The second picture is dark where the score does not depend on the image: the
      absolute gradient ${math`|\partial z_k / \partial x|`} at every pixel.
    </p>
    ${sight.element}

    <h2>Diagnosis</h2>
    <p>
      What does a class live on? Take the images of class ${math`k`} that the network is right about, and
      surest of. At a layer ${math`A`} of ${math`j`} kernels, add up the positive part of the gradient of
      the class's score:
    </p>
    ${display`G_{kj} \;=\; \sum_{x\,\in\,\text{class } k}\;\sum_{h,w}\; \Big[\frac{\partial z_k}{\partial A_{hwj}}(x)\Big]_+`}
    <p>
      Kernels whose part is more than a tenth of the class's range are its own, all others strange to it.
      Feng et al. (AAAI 2022) found that a class keeps to few kernels, and that the images which are
      mistaken are those that use strange ones.
    </p>
    ${diagnosis.element}

    <h2>Treatment</h2>
    <p>
      So train on, and make gradients at strange kernels small (channel-wise), and those that lie in the
      background (space-wise):
    </p>
    ${display`L \;+\; \alpha \sum_{j} (1 - m_{kj})\,\Big\lVert\Big[\frac{\partial z_k}{\partial A_j}\Big]_+\Big\rVert \;+\; \beta\;\frac{\sum_{hw} b_{hw}\,\lvert \partial z_k / \partial B_{hw} \rvert}{\sum_{hw} \lvert \partial z_k / \partial B_{hw} \rvert}`}
    <p>
      where ${math`b`} is the share of background. To follow that loss downhill its gradient is wanted: a
      gradient of a gradient, for which this engine was written.
    </p>
    <p>
      Whether it helps is not to be seen from the treated network alone. Training on helps by itself: so
      there is a <em>control</em>, which trains on without. And a constraint may help whatever it is told:
      so there is a <em>placebo</em>, with the masks of other images, and kernels drawn by lot. All three
      see the same images in the same order.
    </p>
    ${trial.element}
    <p>
      A run of some seconds shows how it is done, not that it works. What holds over ten seeds and several
      data sets, with intervals, and what does not, is told in the method's README
      (<code>engine/doctor/README.md</code>).
    </p>

    <h2>Your own</h2>
    <p>
      Drop a network on the figure, as ONNX or as the weights of one that this engine knows, and some
      images. Nothing leaves the browser: the files are read by this page and computed on your GPU.
    </p>
    ${own.element}

    ${questions(18, [
      {
        asks:
          html`The figure stays where it is, and the background moves. Why may the answer change,
        although a convolution treats all places alike?`,
        answer:
          html`The head is linear in the last map of 4 x 4 places and has weights of its own for
        each place and kernel. What a kernel finds in the background goes into the logits as what it
        finds in the figure does.`,
        check: checkedIn(sight, { ...START, ground: 57, dx: 16, dy: 16 }),
      },
      {
        asks: html`Why is the score's gradient taken before the softmax?`,
        answer:
          html`With the softmax the gradient of a class that the network is sure of goes to zero,
        whatever it goes by: the diagnosis would see least where the network is surest. The logits'
        gradient does not depend on how sure it is. Compare the bars of the kernels for an image that it
        is sure of.`,
        check: checkedIn(sight, START),
      },
      {
        asks:
          html`The treated network is better than the control. What else must be seen before one says
        that it is the diagnosis that helped?`,
        answer:
          html`That it is better than the placebo, whose constraint is as strong and whose masks
        know nothing; and that over several seeds.`,
        check: checkedIn(trial, {}),
      },
    ])}
  `;
};

export const chapter: Chapter = { body };
