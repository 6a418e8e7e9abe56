/** How bytes become the network's input: flags, other scales, and what a run was trained with. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { dataFlags, openData } from "../cli/data.ts";
import { parseFlags } from "../cli/framework/flags.ts";
import { ACCOUNT, accountOf } from "../engine/data/account.ts";
import { normalised } from "../engine/data/normalise.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { encodePng } from "../engine/io/image.ts";
import { inFolderWith, userError } from "./support/io.ts";
import { batchBytes, freshRuntime, never, tinySet } from "./support/train.ts";

const png = (n: number) =>
  encodePng({ height: 8, width: 12, channels: 3, data: new Uint8Array(288).fill(n) });
const files = Object.fromEntries(
  ["a", "b"].flatMap((name, k) => [0, 1, 2].map((i) => [`${name}/${i}.png`, png(9 * i + k)])),
);
const coloured = encodePng({
  ...{ height: 8, width: 12, channels: 3 },
  data: Uint8Array.from({ length: 288 }, (_, i) => 80 * (i % 3) + Math.floor(i / 3)),
});
const open = (folder: string, flags: string, more: { weights?: string } = {}) => {
  const args = ["--data", "folder", "--data-dir", folder, ...flags.split(" ").filter(Boolean)];
  return openData({ ...parseFlags(dataFlags, args), ...more }, never);
};

Deno.test("mean and std of another scale give the same input", () => {
  const [byte, mean, std, scale] = [200, 127.5, 63.75, 2];
  const set = normalised(tinySet, { mean: [mean], std: [std], scale });
  for (const c of [0, 1]) {
    const found = (byte / 255 - set.mean[c]) / set.std[c];
    assert(Math.abs(found - (byte / scale - mean) / std) < 1e-12);
  }
  const raw = normalised(tinySet, { scale: 1 });
  assert(Math.abs((byte / 255 - raw.mean[1]) / raw.std[1] - byte) < 1e-9);
  assert.equal(normalised(tinySet, {}), tinySet, "the set's own");
  assert.deepEqual(normalised(tinySet, { mean: [0.5] }).std, tinySet.std);
  assert.throws(() => normalised(tinySet, { mean: [1, 2, 3] }), (error) => {
    assert(error instanceof UserError && error.exitCode === ExitCode.usage);
    return /--mean has 3 values, and the images of tiny have 2 channels/.test(error.message);
  });
});

Deno.test("--colour bgr turns the input and a set's own mean and std around, and comes back", () =>
  inFolderWith({ ...files, "b/3.png": coloured }, async (folder) => {
    const plain = await open(folder, "");
    const blue = await open(folder, "--colour bgr");
    assert.deepEqual([blue.mean, blue.std], [plain.mean.toReversed(), plain.std.toReversed()]);
    const caffe = await open(folder, "--colour bgr --mean 104,117,124 --scale 1");
    assert.deepEqual(caffe.mean.map((value) => Math.round(255 * value)), [104, 117, 124]);
    const runtime = await freshRuntime();
    const bytesOf = async (set: typeof plain) => [
      ...await batchBytes(runtime, { ...set, mean: [0, 0, 0], std: [1, 1, 1] }, set.train, 4),
    ];
    const [rgb, bgr] = [await bytesOf(plain), await bytesOf(blue)];
    assert.deepEqual(bgr, rgb.map((_, i) => rgb[i + 2 - 2 * (i % 3)]));
    assert.notDeepEqual(bgr, rgb);
    assert.throws(() => normalised(tinySet, { colour: "bgr" }), /have 2 channels, and no order/);

    await Deno.mkdir(join(folder, ".run"));
    const account = JSON.stringify(accountOf(blue, {}));
    await Deno.writeTextFile(join(folder, ".run", ACCOUNT), account);
    const back = await open(folder, "", { weights: join(folder, ".run", "model.safetensors") });
    assert.deepEqual([back.colour, back.mean], ["bgr", blue.mean]);
    const undone = normalised(back, { colour: "rgb" });
    assert.deepEqual([undone.colour, undone.mean], [undefined, plain.mean]);
  }));

Deno.test("--mean, --std, --size and --resize-mode are kept by a run, and its weights bring them back", () =>
  inFolderWith(files, async (folder) => {
    const plain = await open(folder, "");
    assert.match(plain.notes!.guesses.map(({ what }) => what).join(), /those of ImageNet/);
    const set = await open(folder, "--mean 0.5,0.5,0.5 --std 0.25 --size 16 --resize-mode pad");
    assert.deepEqual([set.mean, set.std, set.height], [[0.5, 0.5, 0.5], [0.25, 0.25, 0.25], 16]);
    const run = join(folder, "..", "run-" + crypto.randomUUID());
    await Deno.mkdir(run);
    try {
      await Deno.writeTextFile(join(run, ACCOUNT), JSON.stringify(accountOf(set, {})));
      const weights = join(run, "model.safetensors");
      const back = await open(folder, "", { weights });
      assert.deepEqual([back.mean, back.std, back.height], [set.mean, set.std, 16]);
      assert.equal(accountOf(back, {}).resize_mode, "pad");
      const guesses = back.notes!.guesses.map(({ what }) => what).join();
      assert.match(guesses, /mean, std and colour are those of .*run-.*account\.json/);
      assert.doesNotMatch(guesses, /ImageNet/);
      const other = await open(folder, "--mean 0.1 --std 1", { weights });
      assert.deepEqual(other.mean, [0.1, 0.1, 0.1]);
      assert.match(other.notes!.warnings.join(), /trained with another mean, std or colour/);
      await Deno.writeTextFile(join(run, ACCOUNT), '{"normalisation":{"mean":[null]}}');
      const damaged = open(folder, "", { weights });
      await userError(damaged, ExitCode.io, /account\.json.*normalisation\.mean/);
    } finally {
      await Deno.remove(run, { recursive: true });
    }
    const padded = await batchBytes(await freshRuntime(), set, set.train, 2);
    assert.equal(padded[0], 0, "a bar");
  }));
