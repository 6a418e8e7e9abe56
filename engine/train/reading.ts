/** Metrics on their way to the host, while the device goes on. */

import type { TrainingStep } from "./step.ts";

export class Reading {
  private readonly sums: Promise<Record<string, number>>;

  /**
   * Begins to read the metrics as the steps leave them that are submitted.
   * @param steps of the epoch that they cover
   * @param batch images of a step
   */
  constructor(training: TrainingStep, readonly steps: number, private readonly batch: number) {
    this.sums = training.readMetrics();
    // One that fails is told when it is awaited.
    this.sums.catch(() => {});
  }

  /** The means over the steps, once they arrive. */
  async means(): Promise<Record<string, number>> {
    const { steps, batch } = this;
    const { correct, ...sums } = await this.sums;
    const means = Object.entries(sums).map(([name, sum]) => [name, sum / steps]);
    return { ...Object.fromEntries(means), accuracy: correct / (steps * batch) };
  }

  /** Resolves when nothing is read any more, however that ended. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.sums]);
  }
}
