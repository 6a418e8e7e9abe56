/**
 * The laboratory's page in a real browser: every chapter opened, every figure moved, its values those
 * of the engine here, readable by everybody.
 */

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { bundle } from "../cli/lab/bundle.ts";
import { chapters } from "../cli/lab/page/chapters.ts";
import { formOf } from "../cli/lab/page/figures/faces.ts";
import { PLAIN } from "../engine/gpu/kernels/target.ts";
import { stagesOf } from "../engine/lab/stages.ts";
import { subjectOf } from "../engine/lab/subject.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import type { Tensor } from "../engine/tensor/mod.ts";
import { Browser, chromium, type Page, type View } from "./chromium/browser.ts";
import { fail, succeed } from "./support/cli.ts";
import { testGpu } from "./support/gpu.ts";
import { inFolder } from "./support/io.ts";
import { MOVE_ALL, READY, served } from "./support/lab_page.ts";
import { npmFile } from "./support/npm_file.ts";

const folder = await chromium();
const axe = folder && await npmFile({
  package: "axe-core@4.14.1",
  lock: new URL("chromium/lock.json", import.meta.url).pathname,
  file: "axe.min.js",
});
const ignore = axe === undefined;
const want = ignore ? " (skipped: Chromium's package is for Linux on x86_64, from npm)" : "";

/** What is said of a page that has a chapter open. */
type Check = readonly [says: string, check: (page: Page) => Promise<void>];

const said = (page: Page, figure: string) =>
  page.value<string>(`document.querySelector("#${figure} [role=status]").innerText`);

// Readable by everybody.

/** Serious findings of the accessibility checker, each with the elements that it is about. */
async function findings(page: Page): Promise<string[]> {
  await page.value(await Deno.readTextFile(axe!) + ";0");
  return await page.value(`axe.run().then(({violations}) => violations
    .filter(({impact}) => impact === "serious" || impact === "critical")
    .map(({id, nodes}) => id + ": " + nodes.map(({html}) => html.slice(0, 200)).join(" | ")))`);
}

/** What is wider than the page, which then scrolls sideways, or juts out of its figure. */
const TOO_WIDE = `[...document.querySelectorAll("body *")].filter((e) => {
  const figure = e.closest("figure")?.getBoundingClientRect().right ?? innerWidth;
  const end = e.getBoundingClientRect().right;
  return end > Math.min(innerWidth, figure) + 1 && !e.closest(".scroll, .code");
}).map((e) => e.outerHTML.slice(0, 200))`;

const readable = (view: View): Check => [`is readable, ${JSON.stringify(view)}`, async (page) => {
  await page.look(view);
  await page.value(`document.querySelectorAll("details").forEach((d) => d.open = true)`);
  assert.deepEqual(await findings(page), []);
  assert.deepEqual(await page.value(TOO_WIDE), []);
  assert.equal(await page.value(`document.querySelectorAll("h1").length`), 1);
  assert.ok(await page.value<number>(`document.querySelectorAll("figure").length`) > 0);
}];

const byArrows: Check = ["elements are pointed at by arrow keys", async (page) => {
  await page.value(`document.querySelector("#faces [role=grid] button[tabindex='0']").focus()`);
  await page.press("ArrowRight");
  assert.match(await said(page, "faces"), /x\[0,1\], is a sum of 2 products/);
  await page.press("ArrowDown");
  assert.match(await said(page, "faces"), /x\[1,1\], is a sum of 4 products/);
}];

const byTab: Check = ["nodes are pointed at by the tab key", async (page) => {
  await page.value(`document.querySelector("#stages select").focus()`);
  // The drawing itself scrolls, and may be a place on the way.
  await page.press("Tab");
  await page.press("Tab");
  assert.match(await said(page, "stages"), /^\S+ = \w+\(/);
}];

// Figures are moved.

const moves: Check = ["every control moves its figure", async (page) => {
  assert.deepEqual(await page.value(MOVE_ALL), []);
}];

const answer: Check = ["an answer sets its figure so that it is seen", async (page) => {
  await page.value(`[...document.querySelectorAll(".questions button")][1].click()`);
  await page.until(READY);
  const phases = `document.querySelector("#phases table:not(.values)").innerText`;
  assert.match(await page.value(phases), /2\s+none: zero/);
}];

const mistake: Check = ["a mistake is told in the engine's words", async (page) => {
  const type = (text: string) =>
    page.value(`(() => {
      const input = document.querySelector("#stages input[type=text]");
      input.value = ${JSON.stringify(text)};
      input.dispatchEvent(new Event("change"));
    })()`);
  await type("sum(sigmod(x))");
  await page.until(`document.querySelector("#stages").dataset.state === "failed"`);
  const told = `document.querySelector("#stages [role=alert]").innerText`;
  assert.match(await page.value(told), /there is no function sigmod; did you mean sigmoid\?/);
  await type("sum(x * sigmoid(x))");
  await page.until(READY);
}];

const dropped: Check = [
  "a term that is dropped is found, and put back it is right",
  async (page) => {
    const toggle = async (id: string, box: number) => {
      await page.value(`document.querySelectorAll("#${id} input[type=checkbox]")[${box}].click()`);
      await page.until(READY);
    };
    for (const id of ["norm-terms", "second-terms", "pool-terms"]) {
      assert.match(await said(page, id), /^All \d are right/);
      await toggle(id, 0);
      assert.match(await said(page, id), /are wrong/);
      await toggle(id, 0);
      assert.match(await said(page, id), /^All \d are right/);
    }
    // What softmax subtracts may be held, and its sum may not.
    await toggle("softmax-terms", 0);
    assert.match(await said(page, "softmax-terms"), /^All \d are right/);
    await toggle("softmax-terms", 2);
    assert.match(await said(page, "softmax-terms"), /are wrong/);
  },
];

// Values are those of the engine here.

/** The numbers of a table in a figure, row by row, by its caption. */
const numbersOf = (page: Page, caption: string): Promise<number[][]> =>
  page.value(`[...[...document.querySelectorAll("figure table")]
    .find((table) => table.caption?.textContent.trim().startsWith(${JSON.stringify(caption)}))
    .querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("td[data-value]")]
      .map((cell) => Number(cell.dataset.value)))`);

function near(found: number, expected: number, what: string): void {
  const scale = Math.max(1, Math.abs(expected));
  assert.ok(Math.abs(found - expected) <= 1e-6 * scale, `${what}: ${found}, and here ${expected}`);
}

/** The element that is furthest from zero. */
const largest = (values: ArrayLike<number>) =>
  Array.from(values).reduce((a, b) => Math.abs(b) > Math.abs(a) ? b : a, 0);

const valuesHere = async (tensors: readonly Tensor[]) =>
  await new Runtime(await testGpu()).evaluate(tensors);

/** @param there in float64 and on the GPU, for each value here */
function sameValues(there: readonly (readonly number[])[], here: readonly number[]): void {
  assert.equal(there.length, here.length);
  here.forEach((value, i) => {
    assert.equal(there[i].length, 2, "a value in float64 and one on the GPU");
    there[i].forEach((found) => near(found, value, `row ${i}`));
  });
}

const nodes: Check = ["every node of a graph has the value that it has here", async (page) => {
  const subject = subjectOf("sum(x * sigmoid(x))", { shapes: ["x=6"] });
  const tensors = stagesOf(subject, 1, PLAIN).written.map(({ tensor }) => tensor);
  const here = await valuesHere(tensors);
  sameValues(await numbersOf(page, "Every node"), here.map(largest));
}];

const elements: Check = [
  "every element of the faces has the value that it has here",
  async (page) => {
    const setting = { kernel: 3, stride: 1, padding: 0, dilation: 1, channels: 1, groups: 1 };
    const here = (await valuesHere(formOf(setting).results)).flatMap((values) => [...values]);
    sameValues(await numbersOf(page, "What each face computes"), here);
  },
];

/** What is checked of a chapter beside that it is readable; values first, before anything moves. */
const OWN: Readonly<Record<string, readonly Check[]>> = {
  tensor: [nodes, byTab, mistake, moves],
  convolution: [elements, byArrows, answer, moves],
  norm: [dropped, moves],
};

/** A test with the page served and a browser for it. */
function onPage(says: string, test: (t: Deno.TestContext, site: Site) => Promise<void>): void {
  Deno.test({
    name: `lab page: ${says}${want}`,
    ignore,
    fn: async (t) => {
      const server = served();
      try {
        await using browser = await Browser.start(folder!);
        await test(t, { browser, address: server.address });
      } finally {
        await server.stop();
      }
    },
  });
}

interface Site {
  readonly browser: Browser;
  readonly address: string;
}

onPage("chapters in a browser", async (t, { browser, address }) => {
  for (const { id } of chapters) {
    await using page = await browser.open(`${address}#${id}`);
    await page.until(READY);
    const views = [readable({}), readable({ width: 400, scheme: "dark" })];
    for (const [says, check] of [...OWN[id] ?? [], ...views]) {
      // The browser and the GPU are there before a step and after it.
      const shared = { sanitizeOps: false, sanitizeResources: false };
      await t.step({ name: `${id}: ${says}`, fn: () => check(page), ...shared });
    }
    assert.deepEqual(page.complaints, [], id);
  }
});

onPage("without WebGPU it says which browsers have it", async (_, { browser, address }) => {
  await using page = await browser.open(address, { withoutGpu: true });
  await page.until(READY);
  const about = await page.value<string>(`document.querySelector(".device").innerText`);
  assert.match(about, /no WebGPU.*Chrome.*Safari.*Firefox/s);
  for (const id of Object.keys(OWN)) {
    const { title } = chapters.find((chapter) => chapter.id === id)!;
    await page.value(`location.hash = "${id}"`);
    await page.until(`document.title.startsWith(${JSON.stringify(title)}) && (${READY})`);
    assert.equal(
      await page.value(`document.querySelectorAll("[data-state=failed]").length`),
      0,
      id,
    );
  }
  assert.deepEqual(page.complaints, []);
});

Deno.test("lab: the page is small, and every address in it relative", async () => {
  const files = await bundle();
  const total = files.values().reduce((sum, contents) => sum + gzipSync(contents).length, 0);
  assert.ok(total < 2e6, `${total} bytes compressed`);
  const text = (name: string) => new TextDecoder().decode(files.get(name)!);
  assert.doesNotMatch(text("index.html"), /(?:src|href)="(?!data:|#)(?:\/|\w+:)/);
  assert.doesNotMatch(text("main.js"), /import\(?"\//);
});

Deno.test("lab as a command: files for a web server, a port that is taken", () =>
  inFolder(async (folder) => {
    const stdout = await succeed("lab", "--out", `${folder}/site`);
    assert.match(stdout, /files written to/);
    assert.ok(await Deno.stat(`${folder}/site/main.js`));
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await fail(2, /port \d+ is taken/, "lab", "--port", `${taken.addr.port}`);
    await fail(2, /--port/, "lab", "--out", folder, "--port", "1");
  }));
