/**
 * The laboratory's chapters on kernels, plans and the patient, in a real browser: what is asked for
 * runs, what is moved follows, and numbers are those of the engine here.
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { patient, shapes } from "../cli/lab/page/figures/shapes.ts";
import { BLOCKS } from "../engine/gpu/kernels/target.ts";
import { Looker, normalised, onGround } from "../engine/lab/look.ts";
import { machineOf, stepGraph } from "../engine/lab/machine.ts";
import { classifier, createClassifier } from "../models/mod.ts";
import { act, onChapter, press, setTo, status } from "./support/lab_page.ts";
import { weightedFile } from "./support/onnx_reference.ts";

onChapter("the ladder runs, and its figures follow", "ladder", async (page) => {
  await press(page, "ladder", "Check all eight");
  assert.match(await status(page, "ladder"), /^All eight are right\./);
  const rows = await page.value<string[]>(
    `[...document.querySelectorAll("#ladder tbody tr")].map((row) => row.innerText)`,
  );
  assert.equal(rows.length, 8);
  assert.equal(rows.filter((row) => row.includes("as the first")).length, 7);
  await setTo(page, "ladder", "select", 1, "split_sums");
  await setTo(page, "ladder", "select", 2, "expanded");
  const code = await page.value<string>(`document.querySelector("#ladder .code").innerText`);
  assert.match(code, /sum_15 =\s*fma/);
  assert.match(await status(page, "banks"), /8 cycles/);
  await setTo(page, "banks", "select", 0, "swizzle");
  await setTo(page, "banks", "input", 0, 13);
  assert.match(await status(page, "banks"), /Element 13 of eight rows: 1 cycle/);
  await setTo(page, "block", "select", 0, "64");
  await setTo(page, "block", "select", 1, "64");
  assert.match(await status(page, "block"), /0\.125 bytes each/);
  await setTo(page, "order", "select", 0, "backward");
  assert.match(await status(page, "order"), /The sum is 1;/);
});

onChapter(
  "a kernel that is changed: right, wrong, and one that doesn't compile",
  "ladder",
  async (page) => {
    const text = await page.value<string>(`document.querySelector("#try textarea").value`);
    const attempt = async (from: string, to: string) => {
      assert.ok(text.includes(from));
      await act(
        page,
        "#try textarea",
        `element.value = ${JSON.stringify(text.replace(from, () => to))};
      element.dispatchEvent(new Event("change"));`,
      );
      await press(page, "try", "Try it");
    };
    await attempt("const ROWS: u32 = 8u;", "const ROWS: u32 = 8u; // as it was");
    assert.match(await status(page, "try"), /^Right: bit by bit\./);
    await attempt("s - WIDTH - 1u;", "s - WIDTH;");
    assert.match(await status(page, "try"), /^Wrong: \d+ of 7128 elements differ/);
    await attempt("q < WIDTH &&", "q < WIDHT &&");
    const line = text.split("\n").findIndex((line) => line.includes("q < WIDTH &&")) + 1;
    const told = await page.value<string>(`document.querySelector("#try [role=alert]").innerText`);
    assert.match(told, new RegExp(`your text:${line}: .*WIDHT`));
  },
);

onChapter("the machine is the plan that is made here", "machine", async (page) => {
  const network = createClassifier(classifier("small"), {
    ...{ inChannels: 3, numClasses: 10, imageSize: 32 },
  });
  const shape = { batch: 8, size: 32, channels: 3, classes: 10 };
  for (const step of ["train", "evaluate"] as const) {
    await setTo(page, "machine", "select", 1, step);
    await setTo(page, "machine", "select", 2, "8");
    const { parts, values, buffers, operations } = machineOf(
      stepGraph(network, shape, step),
      BLOCKS,
    );
    assert.match(await status(page, "machine"), new RegExp(`\\b${parts.length} kernels run`));
    await setTo(page, "machine", "input", 0, parts.length);
    const told = await page.value<string>(
      `document.querySelectorAll("#machine [role=status]")[1].innerText`,
    );
    assert.ok(told.startsWith(`${parts.length}. ${parts.at(-1)!.dispatch.kernel.label}`), told);
    const drawn = await page.value<string[]>(
      `[...document.querySelectorAll("#machine svg")].map((svg) => svg.getAttribute("aria-label"))`,
    );
    assert.ok(
      drawn[1].startsWith(`${values.length} values in ${buffers.length} buffers`),
      drawn[1],
    );
    const fused = await page.value<number>(
      `[...document.querySelectorAll("#machine td")]
        .filter((cell) => cell.textContent.trim() === "fused").length`,
    );
    assert.equal(fused, operations.filter(({ kernel }) => kernel === undefined).length);
  }
  await setTo(page, "machine", "select", 1, "treat");
  const legend = await page.value<string>(`document.querySelector("#machine .legend").innerText`);
  assert.match(legend, /second derivative/);
});

onChapter("the patient says there what it says here", "doctor", async (page) => {
  await setTo(page, "sight", "input", 0, 5);
  await setTo(page, "sight", "input", 1, 8);
  await setTo(page, "sight", "input", 2, 11);
  const looker = await Looker.make(undefined, patient(), shapes(), "features");
  const image = onGround(shapes().test, 32, 5, 8, [11, 0]);
  const { logits, kernels } = await looker.look(normalised(image, shapes()));
  const near = (found: readonly number[], here: ArrayLike<number>, bound: number) => {
    assert.equal(found.length, here.length);
    const scale = Math.max(...Array.from(here, Math.abs));
    found.forEach((value, k) =>
      assert.ok(Math.abs(value - here[k]) <= bound * scale, `${k}: ${value}, here ${here[k]}`)
    );
  };
  const there = await page.value<number[]>(
    `[...document.querySelectorAll("#sight td[data-value]")].map(({dataset}) => +dataset.value)`,
  );
  near(there.slice(0, 10), logits, 1e-6);
  // The numbers below are written in four digits.
  const written = await page.value<number[]>(
    `[...document.querySelectorAll("#sight details td")].map((cell) => Number(cell.textContent))`,
  );
  near(written, kernels, 1e-3);
});

onChapter("a network and an image of one's own, and what is neither", "doctor", async (page) => {
  const bytes = Buffer.from(await weightedFile("ghostnet", 0)).toString("base64");
  const give = (data: string, name: string) =>
    act(
      page,
      "#own input[type=file]",
      `const bytes = Uint8Array.from(atob("${data}"), (c) => c.charCodeAt(0));
      const canvas = document.createElement("canvas");
      const png = Uint8Array.from(atob(canvas.toDataURL().split(",")[1]), (c) => c.charCodeAt(0));
      const given = new DataTransfer();
      given.items.add(new File([bytes], "${name}"));
      given.items.add(new File([png], "black.png", { type: "image/png" }));
      element.files = given.files;
      element.dispatchEvent(new Event("change"));`,
    );
  await give(bytes, "ghostnet.onnx");
  assert.match(
    await status(page, "own"),
    /^ghostnet\.onnx: images of 16 x 16, gradients at 6\.PRelu/,
  );
  assert.equal(await page.value(`document.querySelectorAll("#own tbody tr").length`), 3);
  await give(btoa("no network"), "broken.onnx");
  assert.equal(await page.value(`document.querySelector("#own").dataset.state`), "failed");
  const told = await page.value<string>(`document.querySelector("#own [role=alert]").innerText`);
  assert.match(told, /broken\.onnx/);
  assert.doesNotMatch(told, /defect/);
});
