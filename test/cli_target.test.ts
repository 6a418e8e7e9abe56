/** MODEL_DOCTOR_TARGET: the kernels for GPUs train and treat on whatever adapter is at hand. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openRuntime } from "../cli/exact.ts";
import { ExitCode } from "../engine/errors.ts";
import { openGpu } from "../engine/host/gpu.ts";
import { decodeSafetensors } from "../engine/io/safetensors.ts";
import { cli } from "./support/cli.ts";
import { relativeError } from "./support/gpu.ts";
import { inFolder } from "./support/io.ts";

const SIZES = "--width 0.125 --limit 40 --test-limit 20 --batch 18 --epochs 1 --treat-epochs 1";
const LOOKS = "--images-per-class 2 --measures none --arms control,treated";

/** The weights that a tiny treatment ends with, one after the other. */
async function treated(folder: string, target: string): Promise<Float32Array> {
  const args = ["treat", ...`${SIZES} ${LOOKS}`.split(" "), "--out", folder];
  const { code, stderr } = await cli(args, { env: { MODEL_DOCTOR_TARGET: target } });
  assert.equal(code, 0, stderr);
  const path = join(folder, "treated.safetensors");
  const { tensors } = decodeSafetensors(await Deno.readFile(path), path);
  return Float32Array.from([...tensors.values()].flatMap(({ data }) => Array.from(data, Number)));
}

Deno.test("a treatment with the kernels for GPUs comes to the adapter's own weights", () =>
  inFolder(async (root) => {
    const [own, blocks] = [
      await treated(join(root, "own"), "adapter"),
      await treated(join(root, "blocks"), "gpu"),
    ];
    assert.ok(relativeError(blocks, own) < 1e-4);
    const gpu = await openGpu();
    gpu.destroy();
    // Sums in another order: where they are to the bit alike, the same kernels have run.
    if (gpu.isCpu) assert.notDeepEqual(blocks, own);
  }));

Deno.test("--exact takes the device's kernels without Winograd's way, and nothing else", async () => {
  const gpu = await openGpu();
  const { target } = openRuntime(gpu, { exact: false });
  assert.deepEqual(openRuntime(gpu, { exact: true }).target, { ...target, moveCost: Infinity });
  gpu.destroy();
});

Deno.test("kernels that there are none of are refused", async () => {
  const { code, stderr } = await cli(["setup"], { env: { MODEL_DOCTOR_TARGET: "cuda" } });
  assert.equal(code, ExitCode.usage);
  assert.match(stderr, /MODEL_DOCTOR_TARGET is "cuda".*\n.*plain or gpu/);
});
