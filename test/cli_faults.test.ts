import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import { cli, succeed, writeMnist } from "./support/cli.ts";
import { testGpu } from "./support/gpu.ts";
import { inFolder } from "./support/io.ts";

const preload = new URL("support/gpu_faults.ts", import.meta.url);
const STEP =
  /^error: the GPU has no memory left for a training step on 800 images: it needs [\d.]+ [MG]iB, and [\d.]+ [MG]iB were to be had$/m;
const LOOK =
  /^error: the GPU has no memory left for a look at 100 images: it needs [\d.]+ [MG]iB, and [\d.]+ [MG]iB were to be had$/m;
const short = ["--epochs", "1", "--treat-epochs", "1", "--measures", "none"];

Deno.test("a call of the GPU that throws is told with how to go on, and the run goes on", () =>
  inFolder(async (root) => {
    await writeMnist(root, 60);
    const data = ["--data", "mnist", "--data-dir", root, "--batch", "32"];
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

Deno.test("a lost device is told as one, wherever that shows, and the run goes on", () =>
  inFolder(async (root) => {
    const losses = [
      "GPUDevice.createBindGroup 7",
      "GPUDevice.createComputePipeline 3",
      "GPUQueue.submit 5",
      "GPUBuffer.mapAsync 4",
      "GPUCommandEncoder.finish 60",
    ];
    const run = ["treat", "--limit", "100", "--test-limit", "40", "--batch", "32", ...short];
    for (const [i, loss] of losses.entries()) {
      const env = { GPU_FAULT: `${loss} lost` };
      const { code, stdout, stderr } = await cli([...run, "--out", join(root, `${i}`)], {
        ...{ preload, env },
      });
      assert.equal(code, ExitCode.gpu, `${loss}\n${stdout}${stderr}`);
      assert.match(stderr, /^error: the GPU device was lost$/m);
      assert.match(stderr, /^hint: the driver was reset, .* --batch/m);
      const advice = stdout.match(/^stopped; continue with: deno task (treat --resume .*)$/m)![1];
      if (i === losses.length - 1) await succeed(...advice.split(" "));
    }
  }));

Deno.test({
  name: "a step that memory runs out for is named, with what it needs and a batch that has room",
  // It takes a limit of the system's on the process, and an adapter whose memory is the process's.
  ignore: Deno.build.os !== "linux" || Deno.build.arch !== "x86_64" || !(await testGpu()).isCpu,
  fn: () =>
    inFolder(async (root) => {
      const preload = new URL("support/little_memory.ts", import.meta.url);
      const run = (batch: string, memory: number) => {
        const out = ["--out", `${root}/${batch}-${memory}`];
        const args = ["train", "--limit", "1000", "--epochs", "1", "--batch", batch, ...out];
        return cli(args, { preload, env: { LITTLE_MEMORY: `${memory}` } });
      };
      // Some have room for no step of that size, one has for the step and not for looks beside it.
      for (const [memory, what] of [[440, STEP], [460, STEP], [800, STEP], [860, LOOK]] as const) {
        const { code, stdout, stderr } = await run("800", memory);
        assert.equal(code, ExitCode.gpu, stdout + stderr);
        assert.match(stderr, what);
        const hint =
          /^hint: .*--micro-batch \d+ has room, with the same batch; --batch (\d+) has room$/m;
        const advised = stderr.match(hint)![1];
        assert.doesNotMatch(stdout, /continue with/, "the same would fail again");
        const again = await run(advised, memory);
        assert.equal(again.code, 0, again.stderr);
      }
    }),
});
