/**
 * Every classifier through the whole method as a user runs it: baseline, diagnosis, control and
 * treatment, on a handful of images. It teaches them nothing; it shows that their graphs, second
 * derivatives included, plan, run and stay finite, and that the constraint changes them.
 *
 * The small ones always run; MODEL_DOCTOR_ALL_MODELS=1 runs all, or name,name some. Two at a time:
 * one compiles shaders, which takes one core, while the other computes.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { decodeSafetensors } from "../engine/io/safetensors.ts";
import type { HostTensor } from "../engine/io/host_tensor.ts";
import { decodeNpy } from "../engine/io/npy.ts";
import { classifiers } from "../models/registry.ts";
import { succeed } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";
import { whyNot } from "./support/models.ts";

const ALWAYS = ["shufflenetv2", "squeezenet"];
const AT_A_TIME = 2;

/** Family members that differ from a tested one by depth or width alone. */
const DEEPER = [
  ...["vgg13", "vgg19", "resnet101", "densenet169", "wideresnet16", "senet18"],
  ...["lenet256", "mlp-512", "mlp-512-512-512", "mlp-390-390"],
];
/** Larger than a CPU adapter's buffers. */
const HUGE = ["torchvision_vgg16_bn"];

const SETTINGS = [
  ...["--limit", "20", "--test-limit", "4", "--batch", "5"],
  ...["--epochs", "1", "--treat-epochs", "1", "--images-per-class", "1", "--alpha", "10"],
  // Measures are tested on their own; here they would compile as many kernels again.
  ...["--measures", "none", "--arms", "control,treated"],
];

/** Lets `AT_A_TIME` of what waits go on at once. */
class Gate {
  private free = AT_A_TIME;
  private readonly waiting: (() => void)[] = [];

  async pass(work: () => Promise<void>): Promise<void> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((go) => this.waiting.push(go));
    try {
      await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}

async function treatOnce(name: string): Promise<void> {
  await inFolder(async (root) => {
    const folder = join(root, "run");
    await succeed("treat", "--model", name, ...SETTINGS, "--out", folder);
    const result = JSON.parse(await Deno.readTextFile(join(folder, "result.json")));
    const { train, validation, test } = result.images;
    assert.deepEqual([train, validation, test], [10, 10, 4]);
    const [baseline, control, treated] = await Promise.all(
      ["baseline", "control", "treated"].map((stage) => weights(folder, stage)),
    );
    const masks = await kernelMasks(folder);
    const differing = (a: Weights, b: Weights) =>
      [...a].filter(([key, { data }]) => data.some((value, i) => value !== b.get(key)!.data[i]));
    for (const state of [baseline, control, treated]) {
      for (const [key, { data }] of state) {
        assert.ok(data.every((value) => Number.isFinite(Number(value))), `${key} is finite`);
      }
    }
    assert.ok(differing(baseline, control).length > baseline.size / 2, "the control trained on");
    // After two steps a network may be right on no image: then no class's kernels are known, all may
    // respond, and the constraint has nothing to hold down.
    const holds = masks.data.some((mayRespond) => mayRespond === 0);
    assert.equal(
      differing(control, treated).length > 0,
      holds,
      "the constraint changes the network",
    );
  });
}

/** Which kernels each class may respond at, [classes, kernels], as the run's diagnosis wrote it. */
async function kernelMasks(folder: string) {
  const { layers } =
    JSON.parse(await Deno.readTextFile(join(folder, "result.json"))).constraint.channel;
  const path = join(folder, `mask.${layers[0]}.npy`);
  return decodeNpy(await Deno.readFile(path), path);
}

type Weights = Map<string, HostTensor>;

async function weights(folder: string, stage: string): Promise<Weights> {
  const path = join(folder, `${stage}.safetensors`);
  return decodeSafetensors(await Deno.readFile(path), path).tensors;
}

Deno.test("every classifier goes through the whole method", async (t) => {
  const gate = new Gate();
  const names = classifiers.map(({ name }) => name)
    .filter((name) => !DEEPER.includes(name) && !HUGE.includes(name));
  await Promise.all(names.map((name) =>
    t.step({
      name: `${name}${whyNot(name, ALWAYS)}`,
      ignore: whyNot(name, ALWAYS) !== "",
      fn: () => gate.pass(() => treatOnce(name)),
      // Steps that run at the same time share their resources.
      sanitizeOps: false,
      sanitizeResources: false,
      sanitizeExit: false,
    })
  ));
});
