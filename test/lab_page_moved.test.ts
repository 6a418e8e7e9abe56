/**
 * The laboratory's chapters on kernels, plans and the patient, handled: every control is moved, and
 * what takes a press or a file is pressed and given one.
 */

import assert from "node:assert/strict";
import { encodeSafetensors } from "../engine/io/safetensors.ts";
import { Looker, normalised } from "../engine/lab/look.ts";
import { initialize, stateDict } from "../engine/nn/state.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { classifier, createClassifier } from "../models/mod.ts";
import { testGpu } from "./support/gpu.ts";
import { act, MOVE_ALL, onChapter, press, READY, setTo, status } from "./support/lab_page.ts";

for (const id of ["ladder", "machine", "doctor"]) {
  onChapter(`every control of the chapter ${id} moves its figure`, id, async (page) => {
    assert.deepEqual(await page.value(MOVE_ALL), []);
  });
}

onChapter("the kernels of a step are timed", "machine", async (page) => {
  await setTo(page, "machine", "select", 1, "evaluate");
  await setTo(page, "machine", "select", 2, "8");
  await press(page, "machine", "Time them here");
  const told = await page.value<string>(
    `document.querySelectorAll("#machine [role=status]")[1].innerText`,
  );
  const [, ms, gflops] = /([\d.e+-]+) ms, ([\d.e+-]+) GFLOP\/s/.exec(told) ?? [];
  assert.ok(Number(ms) > 0 && Number(gflops) >= 0, told);
  const heads = await page.value<string[]>(
    `[...document.querySelectorAll("#machine th")].map((cell) => cell.textContent.trim())`,
  );
  assert.equal(heads.filter((head) => head === "ms").length, 2);
});

onChapter("a treatment grows its curves beside control and placebo", "doctor", async (page) => {
  await setTo(page, "trial", "input", 0, 2);
  // Strong terms, that two steps are enough to tell the arms apart.
  await setTo(page, "trial", "input", 1, 20);
  await setTo(page, "trial", "input", 2, 20);
  await press(page, "trial", "Treat");
  assert.match(
    await status(page, "trial"),
    /^After 2 of 2 steps: control [\d.]+ %, treated [\d.]+ %, placebo [\d.]+ % of the test images/,
  );
  const rows = await page.value<string[][]>(
    `[...document.querySelectorAll("#trial tbody tr")].map((row) =>
      [...row.cells].map((cell) => cell.textContent.trim()))`,
  );
  assert.deepEqual(rows.map(([step]) => step), ["0", "1", "2"]);
  const [[, ...before], , [, ...after]] = rows;
  assert.equal(new Set(before.slice(0, 3)).size, 1, "all arms begin as the patient");
  assert.equal(new Set(after.slice(3)).size, 3, `and each goes its way: ${after}`);
  assert.equal(await page.value(`document.querySelectorAll("#trial svg").length`), 2);
});

onChapter(
  "a background is dragged by the pointer, around the picture's edge",
  "doctor",
  async (page) => {
    const { x, y } = await page.value<{ x: number; y: number }>(`(() => {
    const picture = document.querySelector("#sight [title^=Drag]");
    picture.scrollIntoView({ block: "center" });
    const { left, top } = picture.getBoundingClientRect();
    return { x: left + 60, y: top + 60 };
  })()`);
    const moved = () =>
      page.value<number[]>(
        `[...document.querySelectorAll("#sight input[type=range]")].slice(2, 4).map((i) => +i.value)`,
      );
    assert.deepEqual(await moved(), [0, 0]);
    // Six pixels of the screen for one of the picture.
    await page.drag([x, y], [x + 30, y - 18]);
    await page.until(READY);
    assert.deepEqual(await moved(), [5, 29]);
    await page.drag([x, y], [x + 12, y + 18]);
    await page.until(READY);
    assert.deepEqual(await moved(), [7, 0]);
  },
);

onChapter("weights that are dropped say here what they say there", "doctor", async (page) => {
  const network = createClassifier(classifier("small"), {
    ...{ inChannels: 3, numClasses: 4, imageSize: 32 },
  });
  initialize(network, 5);
  const runtime = new Runtime(await testGpu());
  const bytes = encodeSafetensors(await stateDict(network, runtime));
  runtime.destroy();
  await setTo(page, "own", "select", 0, "small");
  await setTo(page, "own", "input[type=range]", 0, 4);
  await setTo(page, "own", "input[type=range]", 1, 32);
  await act(
    page,
    "#own input[type=file]",
    `const bytes = Uint8Array.fromBase64("${bytes.toBase64()}");
    const png = Uint8Array.fromBase64(
      document.createElement("canvas").toDataURL().split(",")[1],
    );
    const given = new DataTransfer();
    given.items.add(new File([bytes], "mine.safetensors"));
    given.items.add(new File([png], "black.png", { type: "image/png" }));
    element.dispatchEvent(new DragEvent("drop", { dataTransfer: given, bubbles: true }));`,
  );
  const alerts = `[...document.querySelectorAll("#own [role=alert]")].map((e) => e.innerText)`;
  assert.deepEqual(await page.value(alerts), []);
  assert.match(await status(page, "own"), /^mine\.safetensors: images of 32 x 32, gradients at /);
  const found = await page.value<[number, number][]>(
    `[...document.querySelectorAll("#own tbody tr")].map(({ cells }) =>
      [Number(cells[0].textContent), Number(cells[1].dataset.value)])`,
  );
  const shape = { height: 32, width: 32, channels: 3 };
  const looker = await Looker.make(undefined, network, shape, "features");
  const black = normalised(new Uint8ClampedArray(3 * 32 * 32), {
    ...{ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  });
  const { logits } = await looker.look(black);
  assert.equal(found.length, 3);
  for (const [k, logit] of found) {
    assert.ok(
      Math.abs(logit - logits[k]) <= 1e-6 * Math.max(1, Math.abs(logits[k])),
      `${k}: ${logit}`,
    );
  }
});
