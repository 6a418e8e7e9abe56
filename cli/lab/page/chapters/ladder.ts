/** Chapter: from a loop to a block. */

import { html } from "lit-html";
import type { Chapter } from "../chapter.ts";
import { banksFigure } from "../figures/banks.ts";
import { blockFigure } from "../figures/block.ts";
import { ladderFigure } from "../figures/ladder.ts";
import { tryFigure } from "../figures/ladder_try.ts";
import { orderFigure } from "../figures/order.ts";
import { display, math } from "../parts/math.ts";
import { checkedIn, questions } from "../parts/question.ts";

const body = () => {
  const block = blockFigure({ height: 1, width: 1 });
  const ladder = ladderFigure({
    ...{ rung: "naive", text: "written", size: "small", checks: 0, times: 0 },
  });
  const banks = banksFigure({ layout: "double_buffer", at: 0 });
  const attempt = tryFigure("register_tile");
  const order = orderFigure({ order: "forward" });

  return html`
    <h1>From a loop to a block</h1>
    <p class="lead">
      One convolution, written eight times. Each step has one idea more than the one before, and asks
      memory less often for the same numbers. That is all there is to a fast kernel.
    </p>

    <h2>What there is to do</h2>
    ${display`y_{n,p,q,k} \;=\; \sum_{r,s=0}^{2}\;\sum_{c} x_{n,\,p+r-1,\,q+s-1,\,c}\; w_{r,s,c,k}`}
    <p>
      Each of the ${math`N H W K`} results is a sum of ${math`9C`} products. For 8 images of 32 x 32 with
      64 channels in and out that is 604 million operations, and every operand once is 4.3 million bytes:
      139 operations a byte. A large GPU does some 15 operations in the time that its memory takes for a
      byte. So the arithmetic is what takes the time, nine times over, if each number comes from memory
      once.
    </p>
    <p>
      It does not come once by itself. A loop asks for a pixel and a weight, 8 bytes, for each
      multiply-add. That is 0.25 operations a byte, sixty times too few.
    </p>

    <h2>One formula</h2>
    <p>
      Write the window of each pixel, ${math`9C`} numbers, as a row. Then ${math`y`} is a product of two
      matrices, pixels by weights. (Nobody writes the first one down: it holds every pixel nine times. A
      kernel computes where its elements lie.) Take a block of the result, ${math`h`} rows by
      ${math`w`} columns. At each step along the inner dimension it needs ${math`h + w`} numbers and does
      ${math`h w`} multiply-adds with them:
    </p>
    ${display`\text{bytes a multiply-add} \;=\; 4\,\frac{h + w}{h\,w} \;=\; 4 \Big(\frac1h + \frac1w\Big)`}
    ${block.element}
    <p>
      A single sum is a block of 1 x 1. A vec4 of sums, 1 x 4, is step 2. A thread that keeps 8 x 8 sums
      in registers is step 3. In step 4 the 64 threads of a workgroup take a block of 64 x 64 together:
      each number is loaded once, by any of them, into memory that the workgroup shares, and each thread
      reads from there what its own 8 x 8 sums want.
    </p>
    <p>
      Why not larger? A sum lives in a register. A processor has 65,536 of them, and 12 warps of 32
      threads with 168 registers each are all that fit. A tile of 16 x 8 would want more than 200, and on
      many devices compilers would keep sums in memory, which costs more than all steps have gained.
    </p>

    <h2>The ladder</h2>
    <p>
      Choose a rung and read it: its header says what it gains over the one before. Then have them run.
      Every rung is held to float64 before it is timed, element by element. Rungs 1 to 7 add in the same
      order and have the same bits.
    </p>
    ${ladder.element}
    <p>
      Which rung gains how much is the answer of your device. On a GPU rungs 3 and 4 bring most, rung 5
      where few workgroups fit on a processor, 6 and 7 where banks are the bottleneck. On a processor that
      plays GPU the way ends at rung 3: its workgroup memory is ordinary memory, and rung 4 copies
      everything for nothing.
    </p>
    <p>
      Now change one. Exchange the loops over ${math`r`} and ${math`s`}: other bits, and as right. Take
      away a <code>// @registers</code>, and see what an array costs that has to be in memory. Make a
      mistake. At the terminal, <code>deno task kernel try</code> does the same with the kernels that
      networks use.
    </p>
    ${attempt.element}
    <p>
      <strong>Double buffering</strong>, rung 5, asks for nothing less. It asks earlier: the next slab is
      under way to registers while this one is multiplied, and with two slabs one barrier is enough.
      What failed there is instructive. A zero in the place of padding was put in as the value was
      loaded; that uses the value, so the compiler waited for it on the spot, and nothing was under way
      any more.
    </p>

    <h2>Banks</h2>
    <p>
      Workgroup memory is 32 banks side by side, each good for one number of 4 bytes in a cycle. A vec4
      takes four banks. So eight threads are served at a time, in one cycle if their vec4s lie in eight
      different groups of banks. If all eight lie in one group, in eight.
    </p>
    <p>
      In the figure, each line is the row of weights that one thread reads, and all eight threads read
      the element with the same number at the same time. Move it, and change the layout.
    </p>
    ${banks.element}
    <p>
      Padding makes each row one vec4 longer. The swizzle keeps rows as they are and has row
      ${math`x`} keep its element ${math`i`} at the place ${math`i \oplus x`}, an exclusive or. For one
      ${math`x`} that is a permutation of eight places, for one ${math`i`} as well: a Latin square. In
      CUDA the swizzle is what is used, since rows stay aligned for the copies that hardware makes. In
      WGSL padding is the better of the two: its places are known when the kernel is compiled.
    </p>

    <h2>Sums in parts, in a fixed order</h2>
    <p>
      Deep in a network images are small: one of 8 x 8 pixels with 512 channels makes eight blocks, for a
      GPU of 132 processors. But its sums are ${math`9 \cdot 512`} long. So rung 8 has several workgroups
      share each sum, and a second kernel add what they found, part by part, by number.
    </p>
    <p>
      Why by number, and not as they end? Because float addition rounds, and so the order counts:
    </p>
    ${order.element}
    <p>
      Workgroups that added to the result as they end would end in another order in every run. The same
      training would give other weights each time, and a mistake could not be found again. How many parts
      there are follows from the shape alone, for the same reason.
    </p>

    ${questions(11, [
      {
        asks: html`How many bytes does a block load for a multiply-add?`,
        answer:
          html`${math`4(1/h + 1/w)`}: a block of 64 x 64 loads 64 + 64 numbers of 4 bytes for 4,096
        multiply-adds, 1/8 byte each. Doubling one side alone can at most halve it.`,
        check: checkedIn(block, { height: 64, width: 64 }),
      },
      {
        asks:
          html`Rung 4 asks buffers for 1/8 byte a multiply-add. What do its threads ask workgroup
        memory for, and why is it not 1/8 as well?`,
        answer:
          html`1 byte: the formula again, for a thread's own block of 8 x 8. Threads share what lies
        in workgroup memory, but each has to bring it to its own registers.`,
        check: checkedIn(block, { height: 8, width: 8 }),
      },
      {
        asks: html`Eight threads read vec4s that lie two apart. How many cycles does it take?`,
        answer:
          html`Two. Vec4s 0, 2, 4 .. 14 lie in four groups of banks, each of which has two to give.
        In the figure without padding rows are 16 apart, which is worse: all eight lie in one group.`,
        check: checkedIn(banks, { layout: "double_buffer", at: 0 }),
      },
      {
        asks: html`Why do rungs 1 to 7 give the same bits, and rung 8 others?`,
        answer:
          html`Each sum is one chain of multiply-adds, in the order of the formula, whatever block
        it is part of: blocks change who computes a sum, not how. Rung 8 adds parts of the chain to each
        other. Its column <em>bits</em> tells how many elements that rounds otherwise.`,
        check: checkedIn(ladder, { rung: "split_sums", checks: 1 }),
      },
    ])}
  `;
};

export const chapter: Chapter = { body };
