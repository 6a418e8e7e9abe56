/** The training loop: determinism, exact resumption, checkpoints, memory, divergence. */

import assert from "node:assert/strict";
import { join } from "node:path";
import type { ImageSource, Split } from "../engine/data/dataset.ts";
import { ExitCode } from "../engine/errors.ts";
import { fileExists } from "../engine/io/files.ts";
import { decodeSafetensors, encodeSafetensors } from "../engine/io/safetensors.ts";
import { checkpointFile } from "../engine/run/checkpoint_file.ts";
import { Predictor } from "../engine/train/predict.ts";
import { TrainingStep } from "../engine/train/step.ts";
import type { Settings } from "../engine/io/canonical.ts";
import type { Checkpoint } from "../engine/train/checkpoint.ts";
import type { TrainOptions, TrainProgress } from "../engine/train/options.ts";
import { train } from "../engine/train/train.ts";
import { inFolder, userError } from "./support/io.ts";
import {
  abortAtLook,
  countBuffers,
  differs,
  freshRuntime,
  sameState,
  sharedRuntime,
  tinyNet,
  tinyOptions,
  tinySet,
  tinyTraining,
  tinyValidation,
  withoutTime,
} from "./support/train.ts";

Deno.test("the same seed gives the same bits, with dropout, crops and flips", () =>
  inFolder(async (folder) => {
    const runs: Awaited<ReturnType<typeof tinyTraining>>[] = [];
    for (const seed of [7, 7, 8]) {
      const options = {
        ...tinyOptions(folder),
        seed,
        checkpoint: checkpointFile(join(folder, `${runs.length}`)),
      };
      runs.push(await tinyTraining(options, tinyNet(0)));
    }
    const [first, again, other] = runs;
    sameState(first.state, again.state);
    assert.deepEqual(first.history.map(withoutTime), again.history.map(withoutTime));
    assert.ok(differs(first.state, other.state), "another seed differs");
    const [{ train: begun }, , { train: ended }] = first.history;
    assert.ok(ended.loss < begun.loss, "the loss falls");
  }));

Deno.test("the best epoch's weights are kept", () =>
  inFolder(async (folder) => {
    const runtime = await freshRuntime();
    const network = tinyNet(7);
    const { history, bestEpoch } = await train(runtime, network, tinyOptions(folder));
    const order = [...history].sort((a, b) =>
      b.validation.accuracy - a.validation.accuracy || a.validation.loss - b.validation.loss
    );
    assert.equal(bestEpoch, order[0].epoch);
    // Evaluated again, in other batches, they give what was recorded.
    const { validation } = history[bestEpoch - 1];
    const predictor = await Predictor.make(runtime, network, tinySet, tinyValidation, 7);
    const { values, labels } = await predictor.predict();
    const right = labels.filter((label, i) => {
      const row = [...values.subarray(3 * i, 3 * i + 3)];
      return row.indexOf(Math.max(...row)) === label;
    });
    assert.equal(right.length, validation.correct);
    assert.equal(validation.total, tinyValidation.labels.length);
    predictor.destroy();
    runtime.destroy();
  }));

Deno.test("an epoch's record tells how long its images were waited for", () =>
  inFolder(async (folder) => {
    const bytes = tinySet.train.images as Uint8Array<ArrayBuffer>;
    const each = bytes.length / tinySet.train.labels.length;
    /** Images that take a while to come. */
    const slow: ImageSource = {
      read: async (indices) => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        const images = Array.from(indices, (i) => bytes.subarray(i * each, (i + 1) * each));
        return Uint8Array.from(images.flatMap((image) => [...image]));
      },
      subset: () => slow,
    };
    const run = async (images: Split["images"], name: string) => {
      const options = tinyOptions(join(folder, name));
      await Deno.mkdir(join(folder, name));
      const runtime = await freshRuntime();
      const part = { ...tinySet.train, images };
      const { history } = await train(runtime, tinyNet(7), { ...options, train: part });
      runtime.destroy();
      return history;
    };
    const [there, awaited] = [await run(bytes, "there"), await run(slow, "slow")];
    const steps = Math.floor(tinySet.train.labels.length / 16);
    for (const { waited, seconds } of awaited) {
      assert.ok(waited! >= 0.05 * steps && waited! <= seconds, `${waited} of ${seconds} s`);
    }
    assert.deepEqual(awaited.map(withoutTime), there.map(withoutTime), "the same bits");
  }));

Deno.test("stopped anywhere and resumed, a run gives the same bits", () =>
  inFolder(async (folder) => {
    const options = tinyOptions(folder);
    const whole = await tinyTraining({
      ...options,
      checkpoint: checkpointFile(join(folder, "whole")),
    });
    let stops = 0;
    for (let look = 1;; look++) {
      const path = join(folder, `stopped ${look}`);
      const checkpoint = checkpointFile(path);
      const stopped = tinyTraining({ ...options, checkpoint, signal: abortAtLook(look) });
      const error = await stopped.then(() => undefined, (error) => error);
      if (error === undefined) break;
      assert.equal(error.exitCode, ExitCode.interrupted);
      assert.ok(await fileExists(path), "the state was saved");
      stops++;
      // What the network holds before does not matter.
      const resumed = await tinyTraining({ ...options, checkpoint }, tinyNet(99));
      sameState(whole.state, resumed.state);
      assert.deepEqual(resumed.history.map(withoutTime), whole.history.map(withoutTime));
      assert.equal(resumed.bestEpoch, whole.bestEpoch);
    }
    assert.ok(stops >= 4 * options.epochs, `stopped at ${stops} places`);
  }));

Deno.test("a run that is stopped again and again arrives at the same bits", () =>
  inFolder(async (folder) => {
    const options = tinyOptions(folder);
    const whole = await tinyTraining({
      ...options,
      checkpoint: checkpointFile(join(folder, "whole")),
    });
    const known: number[] = [];
    for (let attempts = 1;; attempts++) {
      assert.ok(attempts < 20, "every attempt gets on");
      const onResume: TrainOptions["onResume"] = (history) => known.push(history.length);
      // Three looks are the least that gets on: a validation is two, and begins anew.
      const attempt = tinyTraining({ ...options, onResume, signal: abortAtLook(4) }, tinyNet(7));
      const result = await attempt.catch((error) => {
        assert.equal(error.exitCode, ExitCode.interrupted);
      });
      if (!result) continue;
      sameState(whole.state, result.state);
      break;
    }
    assert.deepEqual(known, [...known].sort(), "it is told what is there already");
    assert.equal(known.at(-1), options.epochs - 1);
  }));

Deno.test("progress counts every step once and shows means", () =>
  inFolder(async (folder) => {
    const seen: TrainProgress[] = [];
    const options = { ...tinyOptions(folder), onProgress: (p: TrainProgress) => seen.push(p) };
    const { history } = await tinyTraining(options);
    for (const { epoch, train: means } of history) {
      const own = seen.filter((p) => p.epoch === epoch);
      const [begin, end] = [own[0], own.at(-1)!];
      assert.deepEqual([begin.step, begin.steps, begin.metrics], [0, 3, {}]);
      assert.deepEqual([end.step, end.metrics], [3, means]);
    }
    assert.deepEqual(history.map((r) => r.lr.toFixed(4)), ["0.0500", "0.0375", "0.0125"]);
  }));

Deno.test("a checkpoint of another run, damaged or truncated is refused by its name", () =>
  inFolder(async (folder) => {
    const options = tinyOptions(folder);
    const path = options.checkpoint!.name;
    await assert.rejects(tinyTraining({ ...options, signal: abortAtLook(1) }));
    const bytes = await Deno.readFile(path);
    const refused = async (content: Uint8Array, message: RegExp) => {
      await Deno.writeFile(path, content);
      const error = await userError(tinyTraining(options), ExitCode.weights, message);
      assert.ok(error.message.includes(path), error.message);
    };
    // Whatever decides the result is compared, and what differs is named.
    const others: [Partial<TrainOptions>, string][] = [
      [{ batch: 8 }, "batch was 16 and is 8"],
      [{ epochs: 4 }, "epochs was 3 and is 4"],
      [{ lr: 0.5 }, "lr was 0.05 and is 0.5"],
      [{ momentum: 0.5 }, `momentum was ${options.momentum} and is 0.5`],
      [{ weightDecay: 0.5 }, `weightDecay was ${options.weightDecay} and is 0.5`],
      [{ seed: 99 }, `seed was ${options.seed} and is 99`],
      [{ validation: tinySet.test }, "images.validation was 20 and is 30"],
      [{ settings: { network: { width: 2 } } }, 'network was "tiny" and is not; network.width'],
    ];
    for (const [changes, what] of others) {
      const refusal = tinyTraining({ ...options, ...changes });
      const error = await userError(refusal, ExitCode.weights, /belongs to a run with other sett/);
      assert.ok(error.message.includes(`: ${what}`), error.message);
    }
    await refused(bytes.subarray(0, bytes.length - 100), /safetensors/);
    await refused(bytes.subarray(0, 5), /safetensors/);
    await refused(new Uint8Array(), /safetensors/);
    const { tensors, metadata } = decodeSafetensors(bytes, path);
    const position = metadata.position.slice(0, -10);
    await refused(encodeSafetensors(tensors, { position }), /is no checkpoint, or a damaged one/);
    await refused(encodeSafetensors(tensors), /is no checkpoint, or a damaged one/);
    for (let bit = 0; bit < 40; bit++) {
      const at = Math.floor(bytes.length * bit / 40);
      await refused(bytes.with(at, bytes[at] ^ (1 << (bit % 8))), /checkpoint|safetensors/);
    }
    // Rightly written, and yet nothing that this run can be taken up from.
    await Deno.writeFile(path, bytes);
    let whole: Checkpoint | undefined;
    const store = {
      ...options.checkpoint!,
      load: async (settings: Settings) => whole = await options.checkpoint!.load(settings),
    };
    await assert.rejects(tinyTraining({ ...options, checkpoint: store, signal: abortAtLook(1) }));
    // deno-lint-ignore no-explicit-any
    const altered = async (changes: any, message: RegExp) => {
      await options.checkpoint!.save({ ...whole!, ...changes });
      await userError(tinyTraining(options), ExitCode.weights, message);
    };
    await altered({ step: 1e9 }, /stands at step 1000000000 of epoch 1/);
    await altered({ step: -1 }, /its step is -1/);
    await altered({ history: [null] }, /its history\.0 is null, and should be Object/);
    await altered({ epoch: 2 }, /its epochs are not those that it counts/);
    await altered({ bestEpoch: 1 }, /its best epoch is none of its epochs/);
    await altered({ state: new Map() }, /lacks state\/sum of loss/);
    await Deno.writeFile(path, bytes);
    await tinyTraining(options);
  }));

Deno.test("steps are submitted while the metrics of those before are on their way", () =>
  inFolder(async (folder) => {
    const { queue } = (await sharedRuntime()).gpu.device;
    const { submit } = queue;
    const { mapAsync } = GPUBuffer.prototype;
    let coming = 0;
    let submitted = 0;
    queue.submit = (commands) => {
      if (coming > 0) submitted++;
      return submit.call(queue, commands);
    };
    GPUBuffer.prototype.mapAsync = async function (...range) {
      coming++;
      await mapAsync.apply(this, range).finally(() => coming--);
    };
    try {
      const seen: TrainProgress[] = [];
      const options = { ...tinyOptions(folder), epochs: 1 };
      await tinyTraining({ ...options, onProgress: (p) => seen.push(p) }, tinyNet(0));
      // An epoch of three steps: of one, of one more, and the last, each read while the next goes on.
      assert.deepEqual(seen.map(({ step }) => step), [0, 1, 2, 3]);
      assert.ok(submitted >= 2, `${submitted} submissions during a readback`);
    } finally {
      queue.submit = submit;
      GPUBuffer.prototype.mapAsync = mapAsync;
    }
  }));

Deno.test("steps neither make buffers nor read back; a training frees what it made", () =>
  inFolder(async (folder) => {
    const runtime = await freshRuntime();
    const network = tinyNet();
    const { counts, restore } = await countBuffers();
    try {
      const step = await TrainingStep.make(runtime, network, tinySet, tinySet.train, {
        ...tinyOptions(folder),
      });
      const indices = Uint32Array.from({ length: 16 }, (_, i) => i);
      const made = counts.made;
      for (let s = 0; s < 5; s++) await step.run(indices, s, 0.01);
      assert.deepEqual([counts.made, counts.readbacks], [made, 0]);
      await step.readMetrics();
      assert.equal(counts.readbacks, 1);
      step.destroy();

      const live: number[] = [];
      for (const name of ["a", "b", "c"]) {
        await train(runtime, network, {
          ...tinyOptions(folder),
          checkpoint: checkpointFile(join(folder, name)),
        });
        live.push(counts.made - counts.freed);
      }
      const parameters = [...network.namedState()].length;
      assert.deepEqual(live, [parameters, parameters, parameters], "only the network is left");
    } finally {
      restore();
      runtime.destroy();
    }
  }));

Deno.test("a loss that is no number stops the training with stage and epoch", () =>
  inFolder(async (folder) => {
    const options = { ...tinyOptions(folder), stage: "treated", lr: 1e30 };
    const error = await userError(
      tinyTraining(options),
      ExitCode.diverged,
      /loss became \S+: it began with \S+ in .*, at step [123] of 3 in epoch 1 of stage treated/,
    );
    assert.match(error.hint!, /--lr/);
    assert.deepEqual([...Deno.readDirSync(folder)], [], "nothing is left behind");
    // One step only: its own loss is finite, what it leaves is not.
    const single = { ...options, batch: 60, epochs: 1 };
    await userError(
      tinyTraining(single),
      ExitCode.diverged,
      /(NaN|-?Infinity) in the output of features\.\d, at the validation after epoch 1/,
    );
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));

Deno.test("a batch larger than the split is the split", () =>
  inFolder(async (folder) => {
    const { history } = await tinyTraining({ ...tinyOptions(folder), batch: 1000, epochs: 1 });
    assert.equal(history[0].validation.total, 20);
  }));

Deno.test("a checkpoint that can't be written is an error that names it", () =>
  inFolder(async (folder) => {
    const checkpoint = checkpointFile(join(folder, "missing", "checkpoint"));
    await userError(
      tinyTraining({ ...tinyOptions(folder), checkpoint }),
      ExitCode.io,
      /cannot write .*missing/,
    );
  }));
