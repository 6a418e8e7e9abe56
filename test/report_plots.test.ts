/** Pictures and tables that reports are made of. */

import assert from "node:assert/strict";
import { encodeCsv } from "../engine/io/csv.ts";
import { niceTicks } from "../engine/report/axis.ts";
import { oklch, shareColour } from "../engine/report/colours.ts";
import { dotPlot } from "../engine/report/dot_plot.ts";
import { heatMap } from "../engine/report/heat_map.ts";
import { linePlot } from "../engine/report/line_plot.ts";
import { escape, widthOf } from "../engine/report/svg.ts";
import { tags } from "./support/markup.ts";

const picture = { title: 'a < b & "c"', description: "what is seen" };

Deno.test("ticks are round and within the range", () => {
  assert.deepEqual(niceTicks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(niceTicks(-0.003, 0.0071), [-0.002, 0, 0.002, 0.004, 0.006]);
  assert.deepEqual(niceTicks(12, 480), [100, 200, 300, 400]);
});

Deno.test("a line plot: a line for each series, holes left out, texts escaped", () => {
  const svg = linePlot({
    ...picture,
    x: { label: "noise" },
    y: { label: "share", range: [0, 1] },
    series: [
      { name: "x > 1", points: [[0, 1], [1, 0.5], [2, NaN]], spread: [0, 0.1, 0] },
      { name: "second", points: [[0, 0.25]] },
    ],
  });
  const counts = tags(svg);
  assert.equal(counts.get("circle"), 3);
  assert.match(svg, /<title>a &lt; b &amp; &quot;c&quot;<\/title><desc>what is seen<\/desc>/);
  assert.match(svg, />x &gt; 1</);
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
  assert.match(svg, /prefers-color-scheme:dark/);
  // Without a point, and with a single value.
  for (const points of [[], [[1, 2]]] as [number, number][][]) {
    const flat = linePlot({
      ...picture,
      x: { label: "" },
      y: { label: "" },
      series: [{ name: "", points }],
    });
    tags(flat);
    assert.doesNotMatch(flat, /NaN|Infinity/);
  }
  const named = linePlot({
    ...picture,
    x: { label: "layer", names: ["a-long-name-of-a-layer.0", "b"] },
    y: { label: "" },
    series: [{ name: "s", points: [[0, 1], [1, 2]] }],
  });
  tags(named);
  assert.match(named, />a-long-name-of-a-layer\.0</);
});

Deno.test("a dot plot: every value and interval, long names above their dots", () => {
  const rows = ["short", "a name that is much longer than the plot has room for"].map((name) => ({
    name,
    dots: [
      { name: "control", value: 2, interval: [1, 3] as const, look: 1 },
      { name: "treated & more", value: -1, interval: null, look: 2 },
    ],
  }));
  const legend = [{ name: "control", look: 1 }];
  for (const shown of [rows, rows.slice(0, 1), []]) {
    const svg = dotPlot({ ...picture, label: "points", rows: shown, reference: 0, legend });
    const counts = tags(svg);
    assert.equal(counts.get("circle"), 2 * shown.length + 1);
    assert.equal([...svg.matchAll(/stroke-width="2" stroke-opacity/g)].length, shown.length);
    assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
    const [, width] = svg.match(/viewBox="0 0 (\d+) /)!;
    for (const [, x] of svg.matchAll(/cx="([\d.-]+)"/g)) {
      assert.ok(Number(x) > 0 && Number(x) < Number(width), `${x} lies in ${width}`);
    }
  }
});

Deno.test("colour maps: greyer below the threshold, further from the paper with the value", () => {
  const spread = (rgb: readonly number[]) => Math.max(...rgb) - Math.min(...rgb);
  const light = (rgb: readonly number[]) => rgb.reduce((a, b) => a + b);
  for (const scheme of ["light", "dark"] as const) {
    const sign = scheme === "light" ? -1 : 1;
    for (const [low, high] of [[0, 0.2], [0.21, 0.6], [0.6, 1]]) {
      const [a, b] = [low, high].map((value) => shareColour(value, 0.2, scheme));
      assert.ok(sign * (light(b) - light(a)) > 0, `${scheme} ${low} to ${high}`);
      assert.equal(spread(a) < 3, low <= 0.2);
    }
    assert.deepEqual(shareColour(2, 0.2, scheme), shareColour(1, 0.2, scheme));
  }
  assert.deepEqual(oklch(1, 0, 0), [255, 255, 255]);
  assert.deepEqual(oklch(0, 0, 0), [0, 0, 0]);
  // The published Oklab value of sRGB's red.
  assert.deepEqual(oklch(0.62796, 0.25768, 29.234), [255, 0, 0]);
});

Deno.test("a heat map: every cell once, shades on either side of the threshold", () => {
  const values = [[0, 0.2, 0.21], [1, 0.5, 0.1]];
  const svg = heatMap({
    ...picture,
    rows: ["r & s", "t"],
    columnLabel: "kernels",
    ...{ values, threshold: 0.2, thresholdLabel: "theta" },
  });
  tags(svg);
  const shades = [...svg.matchAll(/<path d="([^"]*)" fill="#(\w{6})"/g)];
  const cells = shades.flatMap(([, d, fill]) =>
    [...d.matchAll(/M(\d+) (\d+)h1v1h-1z/g)].map(([, j, i]) =>
      [Number(i), Number(j), fill] as const
    )
  );
  assert.equal(cells.length, 6);
  for (const [i, j, fill] of cells) {
    const grey = fill.slice(0, 2) === fill.slice(2, 4) && fill.slice(2, 4) === fill.slice(4);
    assert.equal(grey, values[i][j] <= 0.2, `${values[i][j]} is #${fill}`);
  }
  tags(heatMap({
    ...picture,
    ...{ rows: ["a"], columns: ["a"], columnLabel: "", values: [[1]] },
    ...{ threshold: 0, thresholdLabel: "" },
  }));
});

Deno.test("a heat map's scale: no number lies on another, wherever the threshold is", () => {
  for (const threshold of [0.05, 0.1, 0.3, 0.5, 0.9, 0.95]) {
    const of = { rows: ["a"], columnLabel: "kernels", values: [[1]], thresholdLabel: "its own" };
    const texts = [
      ...heatMap({ ...picture, ...of, threshold }).matchAll(
        /<text x="([\d.]+)" y="([\d.]+)"(?: text-anchor="(\w+)")? font-size="11">([^<]*)</g,
      ),
    ];
    assert.equal(texts.length, 3);
    const spans = texts.map(([, x, , anchor, said]) => {
      const width = widthOf(said, 11);
      const from = Number(x) - { start: 0, middle: width / 2, end: width }[anchor ?? "start"]!;
      return [from, from + width];
    }).sort(([a], [b]) => a - b);
    spans.slice(1).forEach(([from], i) => assert.ok(from > spans[i][1], `${threshold}`));
  }
});

Deno.test("texts and tables are escaped", () => {
  assert.equal(escape(`<a b="&">`), "&lt;a b=&quot;&amp;&quot;&gt;");
  assert.equal(
    encodeCsv(["a", "b,c"], [['say "x"', 0.1], [null, undefined]]),
    'a,"b,c"\n"say ""x""",0.1\n,\n',
  );
});
