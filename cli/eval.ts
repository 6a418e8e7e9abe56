/** Measures a classifier on a test set. */

import { byGroup, classMeasures, SMALLEST_GROUP, worst } from "../engine/doctor/class_measures.ts";
import { wilson } from "../engine/doctor/significance.ts";
import { accountOf } from "../engine/data/account.ts";
import { atMost } from "../engine/data/dataset.ts";
import { combinationsOf, pairingsOf } from "../engine/data/groups.ts";
import { printable } from "../engine/printable.ts";
import { accuracy, predictions } from "../engine/train/predictions.ts";
import { Predictor } from "../engine/train/predict.ts";
import { describeAccount } from "./account.ts";
import { batchFlag, MAX_IMAGES, seedFlag } from "./train_flags.ts";
import { dataFlags } from "./data.ts";
import { introduce, StageBars } from "./stage_bars.ts";
import { modelFlags, weightsFlag } from "./model_flags.ts";
import { percent, wrap } from "../engine/prose.ts";
import { exactFlag } from "./exact.ts";
import { defineCommand } from "./framework/command.ts";
import { needs } from "./framework/rules.ts";
import { table } from "./framework/table.ts";
import { openTrained } from "./trained.ts";

export const command = defineCommand({
  name: "eval",
  summary: "Measure a classifier's accuracy on a test set",
  flags: {
    ...modelFlags,
    ...dataFlags,
    ...weightsFlag,
    ...batchFlag,
    ...exactFlag,
    seed: { ...seedFlag.seed, help: "decides which images", need: needs.anyOf("limit") },
    limit: { type: "integer", min: 1, max: MAX_IMAGES, help: "test images to use (default all)" },
    json: { type: "boolean", help: "print one JSON object, with confusion and calibration" },
  },
  examples: [{
    args: "--weights runs/train-small-shapes/model.safetensors",
    does: "accuracy, loss and accuracy by class",
  }],
  async run(args, context) {
    const print = args.json ? () => {} : context.print;
    const { runtime, set, network } = await openTrained(args, context, print);
    const { adapter } = runtime.gpu;

    const test = atMost(set.test, args.limit, args.seed);
    const account = accountOf(set, { test });
    introduce(print, args.model, network, set, adapter.name);
    print(`${describeAccount(account)}\n`);
    const predictor = await Predictor.make(runtime, network, set, test, args.batch);
    const bars = new StageBars(context);
    const predicted = predictions(
      await predictor.predict({
        signal: context.signal,
        onProgress: args.json ? undefined : (done, total) => bars.looked("test", done, total),
      }),
    );
    const total = accuracy(predicted);
    const interval = wilson(total.correct, total.total);
    const pairings = pairingsOf(test);
    const measures = classMeasures(predicted, set.classes.length, pairings);
    const classes = set.classes.map((name, k) => ({ name, ...measures.classes[k] }));
    const combinations = combinationsOf(set, test);
    const shares = combinations && byGroup(predicted, combinations.of, combinations.names.length);
    const least = shares ? worst(shares, SMALLEST_GROUP) : -1;
    const worstCombination = least < 0
      ? undefined
      : { name: combinations!.names[least], ...shares![least] };
    if (args.json) {
      const facts = { model: args.model, data: set.name, adapter: adapter.name };
      const groups = { group_names: pairings?.names, worst_combination: worstCombination };
      const found = { ...facts, test: total, interval, ...measures, classes, ...groups, account };
      context.print(JSON.stringify(found, null, 2));
      return;
    }
    const rows = classes.map(({ name, images, accuracy }) => [
      name,
      `${images}`,
      accuracy === null ? "" : percent(accuracy, 1),
    ]);
    context.print(table(["class", "images", "accuracy"], rows));
    context.print(wrap(
      `\naccuracy ${percent(total.accuracy)} (${total.correct} of ${total.total}; ` +
        `95 % interval ${interval.map((share) => percent(share)).join(" to ")}), ` +
        `loss ${total.loss.toFixed(4)}, calibration error ${percent(measures.calibration.ece)}`,
    ));
    pairings?.names.forEach((name, g) => {
      const { accuracy, correct, images } = measures.groups!.shares[g];
      if (accuracy === null) return;
      context.print(`${printable(name)} ${percent(accuracy)} (${correct} of ${images})`);
    });
    if (!worstCombination) return;
    const { name, accuracy: lowest, correct, images } = worstCombination;
    context.print(
      `worst combination ${percent(lowest!)}: ${printable(name)} (${correct} of ${images})`,
    );
  },
});
