/** What a run says of itself while it goes on. */

import type { DataSet } from "../engine/data/dataset.ts";
import type { Module } from "../engine/nn/module.ts";
import { parameterCount } from "../engine/nn/state.ts";
import type { EpochRecord } from "../engine/train/checkpoint.ts";
import type { TrainProgress } from "../engine/train/options.ts";
import { FINISHED_BEFORE } from "../engine/run/stage.ts";
import type { Context } from "./framework/command.ts";
import type { Forecast } from "./framework/forecast.ts";
import { Progress } from "./framework/progress.ts";
import { labelled, percent } from "../engine/prose.ts";

/** The first lines: which network, on which data, and where what comes of it goes, if anywhere. */
export function introduce(
  print: (line: string) => void,
  model: string,
  network: Module,
  set: DataSet,
  adapter: string,
  folder?: string,
): void {
  print(`model    ${model}, ${parameterCount(network).toLocaleString("en")} parameters`);
  for (const note of network.notes()) print(labelled("", note));
  print(labelled("data", `${set.name}: ${set.source}`));
  print(`adapter  ${adapter}`);
  if (folder !== undefined) print(`folder   ${folder}`);
}

/** The share of an epoch's time that is told if images were waited for in it. */
const WORTH_TELLING = 0.05;

/** What goes on in a stage, as a progress bar that ends as a line: an epoch, a look at images. */
export class StageBars {
  private bar: Progress | undefined;
  private label = "";
  private metrics: Readonly<Record<string, number | string>> = {};

  /**
   * @param context is told as soon as there is work to lose
   * @param forecast of the whole run, where it has several stages
   */
  constructor(private readonly context: Context, private readonly forecast?: Forecast) {}

  /** A stage begins, or was finished before. */
  stage(name: string, what: string): void {
    this.forecast?.stage(name, what === FINISHED_BEFORE);
  }

  progress(stage: string, p: TrainProgress): void {
    const { batch, epoch, epochs, step, steps, metrics } = p;
    const bar = this.show(`${stage} ${epoch}/${epochs}`, step * batch, steps * batch);
    if (Object.keys(metrics).length === 0) {
      this.forecast?.epoch(epoch, epochs);
      return;
    }
    this.context.working();
    const { loss, accuracy, ...terms } = metrics;
    this.metrics = { loss, acc: percent(accuracy, 1), ...terms };
    bar.update(step * batch, this.metrics);
  }

  /** Ends an epoch's line with what the validation says. */
  epoch({ stage, seconds, waited = 0, validation: { accuracy, loss } }: EpochRecord): void {
    this.bar?.finish({
      ...this.metrics,
      ...{ "val loss": loss, "val acc": percent(accuracy, 1) },
      ...waited > WORTH_TELLING * seconds && { "waited for images": percent(waited / seconds, 0) },
    });
    this.forecast?.took(stage, 1000 * seconds);
    this.bar = undefined;
  }

  /** Images that are looked at without training on them. */
  looked(stage: string, done: number, total: number): void {
    this.context.working();
    this.show(stage, 0, total).update(done);
    if (done < total) return;
    this.bar?.finish();
    this.bar = undefined;
  }

  /** Takes the line away where the stage ends early. */
  abandon(): void {
    this.bar?.abandon();
    this.bar = undefined;
  }

  private show(label: string, from: number, total: number): Progress {
    if (!this.bar || this.label !== label) {
      this.label = label;
      const rest = (whole: number) => this.forecast?.rest(whole) ?? 0;
      this.bar = new Progress({ label, total, from, unit: "images", rest });
    }
    return this.bar;
  }
}
