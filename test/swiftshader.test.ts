/**
 * SwiftShader, the software driver of browsers: another compiler from SPIR-V, other limits and a
 * second device beside the machine's own.
 */
import assert from "node:assert/strict";
import { cli } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";
import { packedDriver, unpackDriver } from "./swiftshader/driver.ts";

const packed = await packedDriver();
const ignore = packed === undefined;
const want = ignore ? " (skipped: SwiftShader's package is for Linux on x86_64, from npm)" : "";
const lavapipe = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";

/** @param test is given the driver's manifest */
const withDriver = (test: (manifest: string) => Promise<void>) => () =>
  inFolder(async (root) => test(await unpackDriver(packed!, root)));

Deno.test({
  name: `the kernels for GPUs compute on SwiftShader what the formula says${want}`,
  ignore,
  fn: withDriver(async (manifest) => {
    // Those that a device with the least limits gets.
    const tests = new URL("gpu_kinds.test.ts", import.meta.url).pathname;
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", "--filter", "a browser that tells nothing", tests],
      env: { VK_DRIVER_FILES: manifest, NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert.equal(code, 0, text);
    assert.match(text, /\b2 passed/);
  }),
});

Deno.test({
  name: `--device takes the one or the other of two drivers' devices${want}`,
  ignore: ignore || !(await Deno.stat(lavapipe).catch(() => undefined)),
  fn: withDriver(async (manifest) => {
    const env = { VK_DRIVER_FILES: `${lavapipe}:${manifest}` };
    const setup = (device: string) => cli(["setup", "--device", device], { env });
    const { stdout: list } = await cli(["info", "--all"], { env });
    assert.match(list, /^0 +llvmpipe.*\n1 +SwiftShader/m);
    for (
      const [device, name] of [["0", /llvmpipe/], ["1", /SwiftShader/], ["swift", /SwiftShader/]]
    ) {
      const { code, stdout, stderr } = await setup(`${device}`);
      assert.equal(code, 0, stderr);
      assert.match(stdout, name as RegExp);
    }
  }),
});
