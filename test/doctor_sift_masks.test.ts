/** From the sifted images to the constraint: export, drawing, import, and training on some masks. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Batches } from "../engine/data/batch.ts";
import { type DataSet, NO_MASK } from "../engine/data/dataset.ts";
import { withMaskFiles } from "../engine/data/mask_files.ts";
import { constraintPenalty } from "../engine/doctor/penalty.ts";
import { siftLow } from "../engine/doctor/sift.ts";
import { exportSift, readManifest } from "../engine/doctor/sift_folder.ts";
import { ExitCode } from "../engine/errors.ts";
import { decodePixels } from "../engine/io/image.ts";
import { encodeSafetensors } from "../engine/io/safetensors.ts";
import { initialize, stateDict } from "../engine/nn/state.ts";
import { Input } from "../engine/tensor/mod.ts";
import { TrainingStep } from "../engine/train/step.ts";
import { classifier } from "../models/registry.ts";
import { fail, succeed, writeMnist } from "./support/cli.ts";
import { constraintOf } from "./support/constraint.ts";
import { inFolder, userError } from "./support/io.ts";
import { freshRuntime, SIZE, tinyNet, tinySet } from "./support/train.ts";

const exact = tinySet.train.masks!;
/** The training set with the masks of the images that are told. */
const masked = (has: (i: number) => boolean): DataSet => ({
  ...tinySet,
  train: {
    ...tinySet.train,
    masks: { ...exact, rows: exact.rows.map((row) => has(row) ? row : NO_MASK) },
  },
});
const indices = Uint32Array.from({ length: 16 }, (_, i) => 3 * i);

Deno.test("batches: an image without a mask has no background, in the padding neither", async () => {
  const runtime = await freshRuntime();
  const key = new Input("key", [2], "u32");
  const background = async ({ train }: DataSet, limit?: number) => {
    const runtime = await freshRuntime(limit ? { maxStorageBufferBindingSize: limit } : {});
    const options = { batch: 16, key, augmentation: tinySet.augmentation };
    const batches = new Batches(runtime, tinySet, train, options);
    const feeds = [...await batches.feeds(indices), [key, Uint32Array.of(0, 1)] as const];
    const [values] = await runtime.evaluate([batches.background!], feeds);
    batches.release(runtime);
    return values;
  };
  const all = await background(tinySet);
  const some = masked((i) => i % 2 === 0);
  const found = await background(some);
  // With masks that nobody uses, they are larger than the batch's values.
  const { masks } = some.train;
  const coverage = new Uint8Array(16_000);
  coverage.set(exact.coverage);
  const more = { ...masks!, coverage, count: 250 };
  const large = { ...some, train: { ...some.train, masks: more } };
  assert.deepEqual(await background(large, 12_000), found, "streamed, the same");
  const pixels = SIZE * SIZE;
  indices.forEach((index, i) => {
    const own = found.subarray(i * pixels, (i + 1) * pixels);
    if (index % 2 === 1) assert(own.every((share) => share === 0), `image ${index}`);
    else assert.deepEqual(own, all.subarray(i * pixels, (i + 1) * pixels));
  });
  runtime.destroy();
});

/** The space-wise term of a step at a learning rate of 0. */
async function spaceTerm(set: DataSet, form: "paper" | "share"): Promise<number> {
  const runtime = await freshRuntime();
  const network = tinyNet(0, 0);
  const constraint = constraintOf({ form, alpha: 0, beta: 1, layers: ["features.0"] });
  const penalty = constraintPenalty(network, constraint, new Map());
  const options = { batch: 16, seed: 0, momentum: 0, weightDecay: 0, penalty };
  const step = await TrainingStep.make(runtime, network, set, set.train, options);
  await step.run(indices, 0, 0);
  const { space } = await step.readMetrics();
  step.destroy();
  runtime.destroy();
  return space;
}

for (const form of ["paper", "share"] as const) {
  Deno.test(`space-wise, ${form}: images without a mask add nothing, the others what they did`, async () => {
    const [all, even, odd] = [
      await spaceTerm(tinySet, form),
      await spaceTerm(masked((i) => i % 2 === 0), form),
      await spaceTerm(masked((i) => i % 2 === 1), form),
    ];
    assert(even > 0 && odd > 0);
    assert(Math.abs(even + odd - all) < 1e-5 * all, `${even} + ${odd} is not ${all}`);
  });
}

Deno.test("sift folder: pictures with their reasons, drawn on, and taken back", () =>
  inFolder(async (folder) => {
    const { masks: _, ...train } = tinySet.train;
    const split = { ...train, names: Array.from(train.labels, (_, i) => `train-${i}`) };
    const set = { ...tinySet, channels: 1, train: split, test: { ...tinySet.test, names: [] } };
    const grey = { ...split, images: split.images.filter((_, i) => i % 2 === 0) };
    const predicted = Array.from(split.labels, (label, i) => ({
      ...{ label, loss: 0, confidence: i / 100 },
      predicted: i < 30 ? label : (label + 1) % 3,
    }));
    const low = siftLow(predicted, 3, 2);
    const manifest = await exportSift(folder, set, grey, predicted, low);
    assert.deepEqual(await readManifest(folder, set), manifest);
    assert.equal(manifest.images.length, 12);
    assert.deepEqual(manifest.images[0], {
      ...{ name: "train-0", file: "images/train-0.png", class: "top", predicted: "top" },
      ...{ confidence: 0, why: "right, but least sure" },
    });
    const last = manifest.images.find(({ name }) => name === "train-57")!;
    assert.deepEqual([last.class, last.predicted, last.why], [
      "top",
      "middle",
      "wrong, and most sure",
    ]);
    const picture = await decodePixels(await Deno.readFile(join(folder, last.file)), last.file);
    assert.deepEqual([picture.height, picture.width, picture.channels], [256, 256, 3]);
    // Each pixel is a square of 32.
    const at = (h: number, w: number) => picture.data[3 * (h * 256 + w)];
    const own = grey.images.subarray(57 * 64, 58 * 64);
    assert.deepEqual([at(0, 0), at(31, 31), at(32, 255), at(255, 0)], [
      own[0],
      own[0],
      own[15],
      own[56],
    ]);

    const drawn = {
      imageHeight: 256,
      imageWidth: 256,
      shapes: [
        { label: "figure", points: [[0, 0], [256, 64]], shape_type: "rectangle" },
      ],
    };
    await Deno.writeTextFile(join(folder, "images/train-57.json"), JSON.stringify(drawn));
    const { masks } = (await withMaskFiles(set, folder)).train;
    assert.deepEqual([masks!.count, masks!.rows[57]], [1, 0]);
    assert.deepEqual([...masks!.coverage], [...Array(16).fill(255), ...Array(48).fill(0)]);
    const other = readManifest(folder, { ...set, name: "other" });
    await userError(other, ExitCode.data, /it is of tiny, not of other/);
  }));

Deno.test("sift and treat --masks as a user runs them", () =>
  inFolder(async (root) => {
    await writeMnist(root);
    const data = ["--data", "mnist", "--data-dir", root, "--limit", "60"];
    const network = classifier("small").create({ inChannels: 1, numClasses: 10, imageSize: 32 });
    initialize(network, 0);
    const runtime = await freshRuntime();
    const weights = join(root, "weights.safetensors");
    await Deno.writeFile(weights, encodeSafetensors(await stateDict(network, runtime)));
    runtime.destroy();

    await fail(ExitCode.usage, /--weights is missing/, "sift", ...data);
    const folder = join(root, "sifted");
    const sift = ["sift", ...data, "--images-per-class", "1", "--out", folder];
    const printed = await succeed(...sift, "--weights", weights);
    assert.match(printed, /right, unsure +wrong, sure +taken for/);
    assert.match(printed, /labelme .*sifted.images \\\n +--labels .*labels.txt/);
    const { images } = JSON.parse(await Deno.readTextFile(join(folder, "manifest.json")));
    assert(images.length >= 10);
    const back = ["sift", "--data", "mnist", "--data-dir", root, "--import", folder];
    await fail(ExitCode.data, /there are no masks in/, ...back);
    for (const { file } of images.slice(0, 4)) {
      const shapes = [{ label: "a", points: [[0, 0], [112, 224]], shape_type: "rectangle" }];
      const drawn = { imageHeight: 280, imageWidth: 280, shapes };
      await Deno.writeTextFile(join(folder, file.replace(".png", ".json")), JSON.stringify(drawn));
    }
    const drawn = await succeed(...back);
    assert.match(drawn, /images +with a mask +figure covers/);
    assert.match(drawn, / 32\.0 %/);
    const treated = await succeed(
      ...[
        "treat",
        ...data,
        "--epochs",
        "2",
        "--test-limit",
        "20",
        "--masks",
        folder,
        "--alpha",
        "0",
        "--beta",
        "1",
        "--arms",
        "control,treated",
      ],
      ...[
        "--layer",
        "features.4",
        "--treat-epochs",
        "1",
        "--batch",
        "18",
        "--out",
        join(root, "run"),
      ],
    );
    assert.match(treated.replace(/\s+/g, " "), /masks of 4 train images/);
    assert.match(treated, /^treated 1\/1 .*space /m);
  }));
