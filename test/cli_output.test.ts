import assert from "node:assert/strict";
import {
  duration,
  Progress,
  type ProgressOptions,
  shortNumber,
} from "../cli/framework/progress.ts";
import { table } from "../cli/framework/table.ts";

/** A progress with a clock and a screen of its own. */
function bench(isTerminal: boolean, options: Partial<ProgressOptions> = {}) {
  const decoder = new TextDecoder();
  const bench = { now: 0, text: "", progress: undefined as unknown as Progress };
  bench.progress = new Progress({
    label: "train 1/2",
    total: 1000,
    unit: "images",
    width: () => 100,
    now: () => bench.now,
    color: false,
    output: {
      isTerminal: () => isTerminal,
      // Writes at most 7 bytes at a time, as a pipe may.
      writeSync: (bytes) => {
        const part = bytes.subarray(0, 7);
        bench.text += decoder.decode(part, { stream: true });
        return part.length;
      },
    },
    ...options,
  });
  return bench;
}

const drawings = (text: string) => text.split("\r\x1b[K").slice(1);

Deno.test("progress on a terminal: one line, redrawn at most ten times a second", () => {
  const b = bench(true);
  for (b.now = 0; b.now < 1000; b.now += 10) b.progress.update(b.now / 2, { loss: 1.23456 });
  assert.equal(drawings(b.text).length, 10);
  assert.ok(!b.text.includes("\n"));
  assert.equal(
    drawings(b.text).at(-1),
    "train 1/2 [#############-----------------] 450/1000  loss 1.235  500 images/s  1.1 s left",
  );
  b.progress.finish({ loss: 0.5, acc: "91.2 %" });
  assert.equal(
    drawings(b.text).at(-1),
    "train 1/2  495/1000  loss 0.5000  acc 91.2 %  495 images/s  1.0 s\n",
  );
});

Deno.test("progress on a terminal: fits any width, the bar gives way first", () => {
  for (const width of [0, 1, 10, 20, 40, 60, 80, 200]) {
    const b = bench(true, { width: () => width });
    b.progress.update(0);
    b.now = 500;
    b.progress.update(500, { loss: 1.5, acc: "50.0 %" });
    const line = drawings(b.text).at(-1)!;
    assert.ok(line.length < Math.max(width, 1), `${width}: ${line}`);
    if (width >= 40) assert.match(line, /^train 1\/2 \[#+-+\] 500\/1000/);
    if (width >= 80) assert.match(line, /loss 1\.500 {2}acc 50\.0 %/);
  }
});

Deno.test("progress elsewhere: a plain line every few seconds and at the end", () => {
  const b = bench(false, { total: 1200 });
  for (b.now = 0; b.now <= 12000; b.now += 100) b.progress.update(b.now / 10, { acc: "50 %" });
  b.now = 12000;
  b.progress.finish();
  b.progress.finish();
  b.progress.update(1200);
  assert.deepEqual(b.text.split("\n"), [
    "train 1/2  500/1200  acc 50 %  100 images/s  7.0 s left",
    "train 1/2  1000/1200  acc 50 %  100 images/s  2.0 s left",
    "train 1/2  1200  acc 50 %  100 images/s  12 s",
    "",
  ]);
});

Deno.test("progress: a resumed run's speed and time left leave out what was done before", () => {
  const b = bench(true, { from: 900 });
  b.now = 10_000; // compiling
  b.progress.update(910);
  b.now = 11_000;
  b.progress.update(920);
  assert.match(drawings(b.text).at(-1)!, / 920\/1000 {2}10 images\/s {2}8\.0 s left$/);
});

Deno.test("progress: log prints above the line; abandon leaves nothing", () => {
  const b = bench(true);
  b.progress.update(10);
  b.progress.log("saved");
  assert.ok(b.text.includes("\r\x1b[Ksaved\n\r\x1b[Ktrain 1/2 ["));
  b.progress.abandon();
  assert.ok(b.text.endsWith("\r\x1b[K"));
  const plain = bench(false);
  plain.progress.log("saved");
  assert.equal(plain.text, "saved\n");
});

Deno.test("progress: total 0 and no updates", () => {
  const b = bench(true, { total: 0 });
  b.progress.update(0);
  b.progress.finish();
  assert.equal(drawings(b.text).at(-1), "train 1/2  0  0.0 s\n");
});

Deno.test("durations and numbers are short", () => {
  const durations = [[0, "0.0 s"], [400, "0.4 s"], [9960, "10 s"], [59_600, "1:00"]] as const;
  for (const [ms, text] of durations) assert.equal(duration(ms), text);
  assert.equal(duration(65_000), "1:05");
  assert.equal(duration(7_265_000), "2:01:05");
  const numbers = [[12, "12"], [0.5, "0.5000"], [12.3456, "12.35"], [
    1.234e-5,
    "1.234e-5",
  ]] as const;
  for (const [value, text] of numbers) assert.equal(shortNumber(value), text);
  assert.equal(shortNumber(NaN), "NaN");
});

Deno.test("table: text to the left, numbers to the right, a rule below the header", () => {
  const text = table(["run", "accuracy", "correct"], [
    ["baseline", "91.2 %", "912"],
    ["treated", "+1.5 pp", "-"],
    ["short"],
  ]);
  assert.equal(
    text,
    [
      "run       accuracy  correct",
      "--------  --------  -------",
      "baseline    91.2 %      912",
      "treated    +1.5 pp        -",
      "short",
    ].join("\n"),
  );
});

Deno.test("table: what is too wide is wrapped, or goes on below", () => {
  const wide = table(
    ["layer", "a", "b", "c"],
    [["one", "1.25", "2.5", "3.75"], ["two", "1.5", "20", "-"]],
    { width: 17 },
  );
  assert.equal(
    wide,
    "layer     a    b\n-----  ----  ---\none    1.25  2.5\ntwo     1.5   20\n\n" +
      "layer     c\n-----  ----\none    3.75\ntwo       -",
  );
  const marked = table(["layer", "kind", "mark"], [["one", "a", ""], ["two", "b", "x"]], {
    width: 12,
  });
  assert.equal(
    marked,
    "layer  kind\n-----  ----\none    a\ntwo    b\n\nlayer  mark\n-----  ----\ntwo    x",
  );
  assert.equal(table(["a", "b", "c"], [["1", "2", "3"]], { width: 5 }), "a b c\n- - -\n1 2 3");
  const words = "a summary that goes on for longer than there is room in a line of this width";
  const lines = table(["model", "what"], [["small", words], ["large", "short"]], { width: 40 })
    .split("\n");
  assert.ok(lines.every((line) => line.length <= 40), lines.join("\n"));
  assert.deepEqual(lines.slice(2, 4), [
    "small  a summary that goes on for longer",
    "       than there is room in a line of",
  ]);
  assert.equal(lines.at(-1), "large  short");
});

Deno.test("table: without a header, and with letters beyond ASCII", () => {
  assert.equal(table(undefined, [["a", "x"], ["bcd", "y"]]), "a    x\nbcd  y");
  assert.equal(table(undefined, [["äöü", "x"], ["abc", "y"]]), "äöü  x\nabc  y");
  assert.equal(table(["only"], []), "only\n----");
  assert.equal(table(undefined, []), "");
});
