import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import { cli, succeed, writeMnist } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";

const preload = new URL("support/gpu_faults.ts", import.meta.url);

Deno.test("a call of the GPU that throws is told with how to go on, and the run goes on", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const data = ["--data", "mnist", "--data-dir", root, "--batch", "32"];
    const short = ["--epochs", "1", "--treat-epochs", "1", "--measures", "none"];
    const faults = [
      "GPUDevice.createBuffer 9",
      "GPUQueue.submit 5",
      "GPUBuffer.mapAsync 4",
      "GPUQueue.writeBuffer 90",
      "GPUCommandEncoder.finish 6",
      "GPUDevice.createComputePipeline 3",
    ];
    for (const [i, fault] of faults.entries()) {
      const out = join(root, `${i}`);
      const env = { GPU_FAULT: fault };
      const run = ["treat", ...data, ...short, "--out", out];
      const { code, stdout, stderr } = await cli(run, { preload, env });
      assert.equal(code, ExitCode.gpu, `${fault}\n${stdout}${stderr}`);
      const method = fault.match(/\.(\w+)/)![1];
      assert.match(stderr, new RegExp(`^error: the GPU reported an error at .*: injected$`, "m"));
      if (method !== "createComputePipeline") assert.match(stderr, new RegExp(`at ${method}`));
      const advice = stdout.match(/^stopped; continue with: deno task (treat --resume .*)$/m)![1];
      if (i === 0) await succeed(...advice.split(" "));
    }
    const env = { GPU_FAULT: "GPU.requestAdapter 1" };
    const { code, stderr } = await cli(["info"], { preload, env });
    assert.equal(code, ExitCode.gpu);
    assert.match(stderr, /^error: the GPU reported an error at requestAdapter: injected$/m);
  }));
