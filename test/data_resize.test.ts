/** Bilinear resizing against Pillow's, on the host and in batches on the GPU. */
import assert from "node:assert/strict";
import type { DataSet } from "../engine/data/dataset.ts";
import { resizeBilinear } from "../engine/data/resize.ts";
import { batchBytes, freshRuntime } from "./support/train.ts";

const pixels = (n: number) => Uint8Array.from({ length: n }, (_, i) => (i * i * 37 + i * 91) % 256);

Deno.test("resize: the bytes are those of Pillow's bilinear filter", () => {
  const resize = (
    h: number,
    w: number,
    height: number,
    width: number,
  ) => [...resizeBilinear(pixels(h * w), { height: h, width: w }, { height, width })];
  // Image.fromarray(a).resize((width, height), Image.BILINEAR) of Pillow 12.3 on the same bytes.
  // deno-fmt-ignore
  assert.deepEqual(resize(3, 4, 5, 7), [
    0, 46, 119, 101, 75, 87, 94, 75, 90, 114, 98, 81, 102, 115, 188, 157, 106, 93, 90, 125, 146,
    90, 122, 173, 107, 41, 90, 120, 24, 98, 217, 117, 9, 66, 102,
  ]);
  assert.deepEqual(
    resize(7, 6, 4, 3),
    [79, 110, 115, 79, 139, 163, 159, 166, 143, 101, 99, 111],
  );
  assert.deepEqual(
    resize(2, 2, 4, 4),
    [0, 32, 96, 128, 19, 44, 94, 120, 56, 67, 91, 103, 74, 79, 89, 94],
  );
  assert.deepEqual(resize(5, 5, 5, 5), [...pixels(25)]);
});

Deno.test("resize: several images are independent", () => {
  const [from, to] = [{ height: 4, width: 4 }, { height: 6, width: 6 }];
  const both = resizeBilinear(pixels(32), from, to);
  assert.deepEqual(both.subarray(36), resizeBilinear(pixels(32).slice(16), from, to));
});

Deno.test("resize: channels are independent", () => {
  const [from, to] = [{ height: 5, width: 4 }, { height: 3, width: 7 }];
  const grey = pixels(20);
  const rgb = Uint8Array.from({ length: 60 }, (_, i) => i % 3 === 1 ? 9 : grey[Math.floor(i / 3)]);
  const wanted = resizeBilinear(grey, from, to);
  const found = resizeBilinear(rgb, from, to, 3);
  wanted.forEach((byte, p) =>
    assert.deepEqual([...found.subarray(3 * p, 3 * p + 3)], [byte, 9, byte])
  );
});

Deno.test("resize: a batch on the GPU has the bytes of the host", async () => {
  const runtime = await freshRuntime();
  for (const [h, w, height, width] of [[28, 28, 32, 32], [9, 13, 20, 17], [20, 17, 9, 5]]) {
    const [from, to] = [{ height: h, width: w }, { height, width }];
    const split = { images: pixels(7 * h * w * 3), labels: new Uint16Array(7) };
    const set: DataSet = {
      ...{ name: "made", classes: ["a"], channels: 3, train: split, test: split, source: "" },
      ...{ ...to, stored: from, mean: [0, 0, 0], std: [1, 1, 1] },
      augmentation: { cropPadding: 0, flip: false },
    };
    const found = await batchBytes(runtime, set, split, 3);
    assert.deepEqual(found, resizeBilinear(split.images, from, to, 3), `${h} x ${w}`);
  }
});
