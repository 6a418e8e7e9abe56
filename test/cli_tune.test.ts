/** `tune` as a command: what it prints, where it keeps its choices, and that later runs take them. */
import assert from "node:assert/strict";
import { cli } from "./support/cli.ts";
import { assertFits } from "./support/fits.ts";

const SMALL = ["tune", "--model", "small", "--batch", "2", "--size", "8", "--stage", "eval"];

Deno.test("tune: prints every variant, keeps the fastest; off is refused", async () => {
  const folder = await Deno.makeTempDir();
  try {
    Deno.env.set("MODEL_DOCTOR_TUNING", folder);
    const { code, stdout, stderr } = await cli([...SMALL, "--all"]);
    assert.equal(stderr, "");
    assert.equal(code, 0);
    assert.match(stdout, /^small, eval, batch 2; /);
    assertFits(stdout);
    assert.match(stdout, /untuned\n/);
    assert.doesNotMatch(stdout, /elements differ/);
    const [file] = [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`);
    assert.ok(stdout.endsWith(`kept in ${file}\n`));
    const { choices } = JSON.parse(await Deno.readTextFile(file));
    const rows = stdout.split("\n").filter((line) => /^ *\d+ +\d+\.\d{3} +\d+\.\d{3} /.test(line));
    assert.equal(rows.length, Object.keys(choices).length + 1);

    Deno.env.set("MODEL_DOCTOR_TUNING", "off");
    const refused = await cli(SMALL);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /MODEL_DOCTOR_TUNING is off\nhint: set MODEL_DOCTOR_TUNING/);
  } finally {
    Deno.env.delete("MODEL_DOCTOR_TUNING");
    await Deno.remove(folder, { recursive: true });
  }
});
