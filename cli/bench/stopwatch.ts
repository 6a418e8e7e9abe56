/**
 * Times plans by the device's own clock, in turns, the runs of a turn in one submission: neither the
 * host nor the wait for the device counts. What a software adapter computes can be timed by the time
 * that this process has on processors instead, which others on the machine take nothing of.
 */

import process from "node:process";
import type { Gpu } from "../../engine/gpu/adapter.ts";
import { Timestamps } from "../../engine/gpu/timestamps.ts";
import type { Plan } from "../../engine/plan/plan.ts";
import { repeatsFor } from "./turns.ts";

export class Stopwatch {
  private constructor(
    private readonly device: GPUDevice,
    private readonly clock: Timestamps,
    private readonly byProcessor: boolean,
  ) {}

  /**
   * @param byProcessor whether the time of all of the process's threads on processors is taken
   * @throws UserError (gpu) where the adapter has no clock
   */
  static async make(gpu: Gpu, byProcessor = false): Promise<Stopwatch> {
    return new Stopwatch(gpu.device, await Timestamps.make(gpu, 2), byProcessor);
  }

  /**
   * Seconds for one run of each of some plans without inputs, a figure from each round.
   * @param window milliseconds of work in a round
   */
  async time(plans: readonly Plan[], rounds: number, window: number): Promise<number[][]> {
    const repeats: number[] = [];
    for (const plan of plans) {
      await this.run(plan, 1); // compiles
      repeats.push(await repeatsFor(window, (repeats) => this.run(plan, repeats)));
    }
    const seconds = plans.map((): number[] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [k, plan] of plans.entries()) {
        seconds[k].push(await this.run(plan, repeats[k]) / repeats[k]);
      }
    }
    return seconds;
  }

  /** From the end of an empty pass before the work to the beginning of one behind it. */
  private async run(plan: Plan, repeats: number): Promise<number> {
    const work = Array.from({ length: repeats }, () => plan.encode());
    const before = this.mark(0);
    const after = this.mark(1, (encoder) => this.clock.resolve(encoder));
    const begun = process.cpuUsage();
    this.device.queue.submit([before, ...work, after]);
    const [first, last] = await this.clock.read();
    const { user, system } = process.cpuUsage(begun);
    return this.byProcessor ? (user + system) / 1e6 : (last.begin - first.end) / 1000;
  }

  private mark(span: number, andThen?: (encoder: GPUCommandEncoder) => void): GPUCommandBuffer {
    const encoder = this.device.createCommandEncoder();
    encoder.beginComputePass({ timestampWrites: this.clock.pass(span) }).end();
    andThen?.(encoder);
    return encoder.finish();
  }

  destroy(): void {
    this.clock.destroy();
  }
}
