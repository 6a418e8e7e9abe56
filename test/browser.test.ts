/**
 * The tests of operations and plans once more, in Chromium: its WebGPU is another implementation than
 * Deno's, of the language, of what is valid, and of the driver. The assertions are the same. What is
 * left out is said at the end, with the reason.
 */

import { deepEqual, equal, ok } from "node:assert/strict";
import { serve } from "../cli/lab/serve.ts";
import { bundleTests } from "./browser/bundle.ts";
import type { Outcome } from "./browser/page.ts";
import { Browser, chromium, type Page } from "./chromium/browser.ts";

/**
 * `kernels_*` compile blocks unrolled to thousands of lines: SwiftShader takes minutes for some.
 * `plan_steady` is a thousand steps for a figure of time.
 */
const IN_BROWSER = /^((ops|plan)_.*|expand|nearest|nn_layers)\.test\.ts$/;
const TOO_SLOW = /^plan_steady/;

/** WGSL lets an implementation take it that no value is NaN. SwiftShader's e^x and log do. */
const LOSES_NAN =
  /infinities and NaN:? (exp|log|sigmoid|tanh|erf)\b|^what is 0 of|^a NaN comes out/;

/** The files that are named behind `--`, or all. */
const files = [...Deno.readDirSync(import.meta.dirname!)].map(({ name }) => name)
  .filter((file) =>
    Deno.args.length > 0
      ? Deno.args.includes(file.replace(".test.ts", ""))
      : IN_BROWSER.test(file) && !TOO_SLOW.test(file)
  )
  .sort();

const folder = await chromium();
const want = folder ? "" : " (skipped: Chromium's package is for Linux on x86_64, from npm)";

Deno.test({
  name: `in a browser: the tests of operations and plans${want}`,
  ignore: folder === undefined,
  fn: async (t) => {
    const bundled = await bundleTests(files);
    const server = serve(0, () => Promise.resolve(bundled));
    const outcomes: Named[] = [];
    try {
      await using browser = await Browser.start(folder!);
      for (const file of files) {
        const fn = async () => {
          await using page = await browser.open(server.address);
          const found = await runFile(page, file);
          outcomes.push(...found);
          const failures = found.filter(({ failed }) => failed !== undefined);
          equal(failures.length, 0, failures.map((f) => `${f.name}\n${f.failed}`).join("\n\n"));
          deepEqual(page.complaints, []);
        };
        // The browser is there before a step and after it.
        await t.step({ name: file, fn, sanitizeOps: false, sanitizeResources: false });
      }
    } finally {
      await server.stop();
    }
    const leftOut = outcomes.filter(({ leftOut }) => leftOut !== undefined);
    console.log(`${outcomes.length - leftOut.length} tests ran in the browser, and were left out:`);
    for (const { name, leftOut: why } of leftOut) console.log(`  ${name}: ${why}`);
  },
});

type Named = Outcome & { readonly name: string };

async function runFile(page: Page, file: string): Promise<Named[]> {
  await page.until("globalThis.run !== undefined");
  const names = await page.value<string[]>(`import("./${file}.js").then(names)`);
  ok(names.length > 0, `${file} has no tests`);
  const outcomes: Named[] = [];
  for (const [index, name] of names.entries()) {
    const outcome = LOSES_NAN.test(name)
      ? { leftOut: "SwiftShader's e^x and log make numbers of NaN" }
      : await page.value<Outcome>(`run(${index})`);
    outcomes.push({ name, ...outcome });
  }
  return outcomes;
}
