/** Pictures and tables that reports are made of. */

import assert from "node:assert/strict";
import { encodeCsv } from "../engine/io/csv.ts";
import { heatMap } from "../engine/report/heat_map.ts";
import { linePlot, niceTicks } from "../engine/report/line_plot.ts";
import { escape } from "../engine/report/svg.ts";

/** Throws where tags don't nest; returns how often each one stands there. */
function tags(svg: string): Map<string, number> {
  const open: string[] = [];
  const counts = new Map<string, number>();
  const attributes = String.raw`(?:\s+[\w:-]+="[^"<&]*(?:&\w+;[^"<&]*)*")*`;
  const tag = new RegExp(String.raw`<(/?)(\w+)${attributes}\s*(/?)>`, "g");
  const rest = svg.replace(tag, (_, closes, name, empty) => {
    if (closes) assert.equal(open.pop(), name);
    else {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      if (!empty) open.push(name);
    }
    return "";
  });
  assert.deepEqual(open, []);
  assert.doesNotMatch(rest, /[<>]|&(?!\w+;)/);
  return counts;
}

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

Deno.test("texts and tables are escaped", () => {
  assert.equal(escape(`<a b="&">`), "&lt;a b=&quot;&amp;&quot;&gt;");
  assert.equal(
    encodeCsv(["a", "b,c"], [['say "x"', 0.1], [null, undefined]]),
    'a,"b,c"\n"say ""x""",0.1\n,\n',
  );
});
