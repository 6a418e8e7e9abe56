import assert from "node:assert/strict";
import { Progress } from "../cli/framework/progress.ts";
import { table } from "../cli/framework/table.ts";
import { printable, printableLines } from "../engine/printable.ts";
import { html } from "../engine/report/html.ts";
import { cli } from "./support/cli.ts";

/** Clears a screen, rings, colours, overwrites a line, runs backwards, begins a line. */
const NASTY = "a\x1b[2Jb\x07\x9b31mc\rd\u202ee\nf\u2028\0";
// deno-lint-ignore no-control-regex
const controls = /[\0-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]/;

Deno.test("control characters are written out, and JSON stays the same JSON", () => {
  assert.equal(
    printable(NASTY),
    "a\\u001b[2Jb\\u0007\\u009b31mc\\u000dd\\u202ee\\u000af\\u2028\\u0000",
  );
  assert.equal(printableLines("a\nb\tc"), "a\nb\\u0009c");
  assert.equal(printable("äß 猫 🙂"), "äß 猫 🙂");
  const value = { [NASTY]: [NASTY] };
  assert.deepEqual(JSON.parse(printableLines(JSON.stringify(value, null, 2))), value);
});

Deno.test("names reach neither terminal nor page as control characters", async () => {
  const cells = table(["class", "images"], [[NASTY, "1"]]);
  assert.doesNotMatch(cells, controls);
  assert.equal(cells.split("\n").length, 3);
  assert.doesNotMatch(html`<p title="${NASTY}">${NASTY}</p>`.text, controls);
  let shown = "";
  const output = {
    isTerminal: () => true,
    writeSync(bytes: Uint8Array) {
      shown += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  };
  const progress = new Progress({ label: NASTY, total: 2, output, color: false });
  progress.update(1, { [NASTY]: NASTY });
  progress.log(NASTY);
  progress.finish();
  assert.doesNotMatch(shown.replaceAll("\r\x1b[K", ""), controls);

  // A command line may hold everything but NUL.
  const name = NASTY.replace("\0", "");
  for (const args of [[name], ["eval", "--weights", name], ["info", `--${name}`]]) {
    const { code, stdout, stderr } = await cli(args);
    assert.notEqual(code, 0);
    assert.doesNotMatch(stdout + stderr, controls);
    // What follows a line break in a name does not look like a line of ours.
    assert.doesNotMatch(stderr, /^f/m);
  }
});
