/** Times queued work by the device's own clock, so that neither host nor readback counts. */

import type { Gpu } from "../../engine/gpu/adapter.ts";
import { Timestamps } from "../../engine/gpu/timestamps.ts";

export class Stopwatch {
  private constructor(private readonly device: GPUDevice, private readonly clock: Timestamps) {}

  /** @throws UserError (gpu) where the adapter has no clock */
  static async make(gpu: Gpu): Promise<Stopwatch> {
    return new Stopwatch(gpu.device, await Timestamps.make(gpu, 2));
  }

  /**
   * Seconds for the work done once, a figure from each round.
   * @param enqueue queues the work
   * @param window milliseconds of work in a round
   */
  async time(enqueue: () => void, rounds: number, window: number): Promise<number[]> {
    await this.run(enqueue, 1); // compiles
    let repeats = 1;
    for (let spent = 0; spent < window / 2; repeats *= 2) {
      spent = 1000 * await this.run(enqueue, repeats);
      if (spent >= window / 2) {
        repeats = Math.ceil(repeats * window / spent);
        break;
      }
    }
    const seconds: number[] = [];
    for (let round = 0; round < rounds; round++) {
      seconds.push(await this.run(enqueue, repeats) / repeats);
    }
    return seconds;
  }

  /** From the end of an empty pass before the work to the beginning of one behind it. */
  private async run(enqueue: () => void, repeats: number): Promise<number> {
    this.mark(0);
    for (let i = 0; i < repeats; i++) enqueue();
    this.mark(1, (encoder) => this.clock.resolve(encoder));
    const [before, after] = await this.clock.read();
    return (after.begin - before.end) / 1e9;
  }

  private mark(span: number, andThen?: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.device.createCommandEncoder();
    encoder.beginComputePass({ timestampWrites: this.clock.pass(span) }).end();
    andThen?.(encoder);
    this.device.queue.submit([encoder.finish()]);
  }

  destroy(): void {
    this.clock.destroy();
  }
}
