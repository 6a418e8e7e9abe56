/** The laboratory's page in a browser: a chapter that is opened, its controls that are moved. */

import assert from "node:assert/strict";
import { bundle, type Files } from "../../cli/lab/bundle.ts";
import { type LabServer, serve } from "../../cli/lab/serve.ts";
import { Browser, chromium, type Page } from "../chromium/browser.ts";

/** A software driver takes its time to compile, beside other work more. */
const SECONDS = 400;

const folder = await chromium();
const ignore = folder === undefined;
const want = ignore ? " (skipped: Chromium's package is for Linux on x86_64, from npm)" : "";

export const READY = `document.querySelector("main").dataset.state === "ready" &&
  [...document.querySelectorAll("figure")].every(({dataset}) => dataset.state !== "computing")`;

let files: Promise<Files> | undefined;

/** The page, bundled once for all tests of a file. */
export const served = (): LabServer => serve(0, () => files ??= bundle());

/** A test with a chapter open. */
export function onChapter(
  name: string,
  id: string,
  test: (page: Page) => Promise<void>,
): void {
  Deno.test({
    name: `lab page: ${name}${want}`,
    ignore,
    fn: async () => {
      const server = served();
      try {
        await using browser = await Browser.start(folder!);
        await using page = await browser.open(`${server.address}#${id}`);
        await page.until(READY, SECONDS);
        await test(page);
        assert.deepEqual(page.complaints, []);
      } finally {
        await server.stop();
      }
    },
  });
}

/** Does something to the first element that matches, and waits for what follows. */
export async function act(page: Page, selector: string, action: string): Promise<void> {
  await page.value(`(() => {
    const element = document.querySelector(${JSON.stringify(selector)});
    ${action}
  })()`);
  await page.until(READY, SECONDS);
}

/** Gives the n-th control of a kind in a figure another value. */
export const setTo = (
  page: Page,
  figure: string,
  kind: string,
  n: number,
  value: string | number,
) =>
  act(
    page,
    `#${figure}`,
    `const control = element.querySelectorAll("${kind}")[${n}];
    control.value = "${value}";
    control.dispatchEvent(new Event(control.type === "range" ? "input" : "change"));`,
  );

export const press = (page: Page, figure: string, name: string) =>
  act(
    page,
    `#${figure}`,
    `[...element.querySelectorAll("button")].find((b) => b.innerText === "${name}").click();`,
  );

export const status = (page: Page, figure: string) =>
  page.value<string>(`document.querySelector("#${figure} [role=status]").innerText`);

/** Sets every control of every figure to its ends, or to each of its choices; what failed. */
export const MOVE_ALL = `(async () => {
  const failed = [];
  const settled = async (figure, what) => {
    await new Promise(requestAnimationFrame);
    while (figure.dataset.state === "computing") await new Promise((r) => setTimeout(r, 20));
    if (figure.dataset.state !== "ready") failed.push(figure.id + " " + what + ": " + figure.innerText);
  };
  for (const figure of document.querySelectorAll("figure")) {
    const all = (selector) => [...figure.querySelectorAll(selector)];
    for (const i of all("input[type=range]").keys()) {
      for (const end of ["max", "min"]) {
        const input = all("input[type=range]")[i];
        input.value = input[end];
        input.dispatchEvent(new Event("input"));
        await settled(figure, "slider " + i + " at its " + end);
      }
    }
    for (const i of all("select").keys()) {
      for (const { value } of all("select")[i].options) {
        const select = all("select")[i];
        select.value = value;
        select.dispatchEvent(new Event("change"));
        await settled(figure, value);
      }
    }
    for (const i of all("input[type=checkbox]").keys()) {
      for (let twice = 0; twice < 2; twice++) {
        all("input[type=checkbox]")[i].click();
        await settled(figure, "box " + i);
      }
    }
  }
  return failed;
})()`;
