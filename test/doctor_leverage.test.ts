/** Masks that were drawn have an effect, where the head averages its map too, or the run stops. */
import assert from "node:assert/strict";
import { parseFlags } from "../cli/framework/flags.ts";
import { treatFlags } from "../cli/treat_flags.ts";
import { prepare } from "../cli/treatment.ts";
import type { DataSet } from "../engine/data/dataset.ts";
import { canBeHad } from "../engine/doctor/leverage.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { tinySet } from "./support/train.ts";

/** As large as the networks want it; of the images nothing is looked at. */
const set: DataSet = { ...tinySet, height: 32, width: 32, channels: 3 };
const { masks: _, ...train } = set.train;
const { masks: __, ...test } = set.test;
const preparedFor = (model: string, flags: string, of = set) =>
  prepare(parseFlags(treatFlags, ["--model", model, ...flags.split(" ").filter(Boolean)]), of);
const stopped = (model: string, flags: string, message: RegExp, of = set) =>
  assert.rejects(() => preparedFor(model, flags, of), (error) => {
    assert(error instanceof UserError && error.exitCode === ExitCode.method, String(error));
    return message.test(`${error.message} ${error.hint}`);
  });

Deno.test("masks: the space-wise constraint is where they have an effect, and that is told", async () => {
  const cases: [string, string, RegExp | undefined][] = [
    ["small", "features.8", undefined],
    ["resnet18", "conv5_x.1.residual_function.3", /has the weight 1, at conv5_x/],
    ["mobilenetv2", "conv1.0", /is at conv1\.0, the last layer where masks have an effect/],
    ["torchvision_resnet18", "layer3.1.conv2", /is at layer3\.1\.conv2/],
  ];
  for (const [model, layer, told] of cases) {
    for (const flags of ["--masks drawn", "--masks drawn --beta 0.5"]) {
      const { network, set: used, options } = await preparedFor(model, flags);
      const { space } = options.constraint;
      assert.deepEqual([space.layers, space.weight], [[layer], flags.includes("beta") ? 0.5 : 1]);
      assert(canBeHad(network, used, "space", space), model);
      const guesses = used.notes!.guesses.map(({ what }) => what).join();
      if (told && flags === "--masks drawn") assert.match(guesses, told);
      if (!told) assert.equal(guesses, "");
    }
  }
});

Deno.test("masks without effect stop the run, with a layer or flag that gives them one", async () => {
  const at = "--masks drawn --space-layer conv5_x";
  await stopped(
    "resnet18",
    at,
    /nothing at conv5_x .*--space-layer conv5_x\.1\.residual_function\.3/,
  );
  await stopped(
    "small",
    "--masks drawn --beta 0 --measures none",
    /the weight 0 .*Leave --beta out/,
  );
  await stopped("small", "--masks drawn --space-form paper", /paper form .*--beta/);
  const beta = await preparedFor("small", "--masks drawn --space-form paper --beta 2");
  assert.equal(beta.options.constraint.space.weight, 2);
  // The measure of the foreground takes the masks of the test images.
  await preparedFor("small", "--masks drawn --beta 0 --measures foreground");
  const none = { ...set, test };
  await stopped("small", "--masks drawn --beta 0 --measures foreground", /the weight 0/, none);
});

Deno.test("a measure that was asked for and the test images can't tell is named", async () => {
  const warnings = async (flags: string, of: DataSet) =>
    (await preparedFor("small", flags, of)).set.notes!.warnings.filter((what) =>
      /measures/.test(what)
    );
  const without = { ...set, test };
  for (const flags of ["--measures foreground,fgsm", "--masks drawn"]) {
    assert.match(
      (await warnings(flags, without)).join(),
      /^--measures foreground is left out: no image/,
    );
    assert.deepEqual(await warnings(flags, set), []);
  }
  assert.deepEqual(
    await warnings("", without),
    [],
    "the usual ones are those that the data allows",
  );
});

Deno.test("masks that the data has are told where they are left out", async () => {
  const guesses = async (of: DataSet) =>
    (await preparedFor("resnet18", "", of)).set.notes!.guesses.map(({ what }) => what);
  assert.deepEqual(await guesses(set), ["no space-wise constraint, though the data has masks"]);
  assert.deepEqual(await guesses({ ...set, train }), []);
});
