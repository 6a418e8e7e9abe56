/**
 * Runs a plan to find out where its time goes: as it always runs, for the times of the host and of
 * the whole step, and with every dispatch in a pass of its own between two timestamps, for the
 * times of its kernels. The second is slower than the first by what a pass costs, some microseconds
 * each on the device; kernels do not overlap in it.
 */

import type { Gpu } from "../gpu/adapter.ts";
import { type Span, Timestamps } from "../gpu/timestamps.ts";
import { median } from "../averages.ts";
import type { Feed, Plan } from "../plan/plan.ts";
import { recordDispatch } from "../plan/record.ts";
import { recordCopy } from "../plan/textures.ts";

/** Recordings, of which the first half is there for JavaScript's compiler to do its work. */
const RECORDINGS = 40;

/** What the host did for a step, in milliseconds of `performance.now()`. */
export interface HostSpans {
  /** Values of inputs handed over. */
  readonly feed: Span;
  /** Commands recorded and checked. */
  readonly encode: Span;
  /** Handed to the driver; one that computes on the CPU may do some of the work here. */
  readonly submit: Span;
}

/** A step with the times of its dispatches, in the plan's order. */
export interface TimedStep {
  readonly host: HostSpans;
  readonly dispatches: readonly TimedDispatch[];
}

export interface TimedDispatch {
  /** Copies of operands to textures before it, where there are any. */
  readonly copies?: Span;
  readonly kernel: Span;
}

export class PlanProfiler {
  private constructor(
    private readonly device: GPUDevice,
    private readonly plan: Plan,
    private readonly stamps: Timestamps,
  ) {}

  /** @throws UserError (gpu) where the adapter has no clock */
  static async make(gpu: Gpu, plan: Plan): Promise<PlanProfiler> {
    const copying = plan.dispatches.filter(({ copies }) => copies.length > 0).length;
    const stamps = await Timestamps.make(gpu, plan.dispatches.length + copying);
    return new PlanProfiler(gpu.device, plan, stamps);
  }

  /** Runs the plan as `Plan.run` does. */
  run(feeds: readonly Feed[]): HostSpans {
    return this.spend(feeds, () => this.plan.encode());
  }

  /**
   * Milliseconds that recording a step takes where it is done over and over and nothing else: the
   * host's own cost, which kernels that run on the same processor add to by using its caches.
   */
  timeEncoding(): number {
    const times = Array.from({ length: RECORDINGS }, () => {
      const begun = performance.now();
      this.plan.encode();
      return performance.now() - begun;
    });
    return median(times.slice(RECORDINGS / 2));
  }

  /** Waits for everything submitted and returns when it was done. */
  async finish(): Promise<number> {
    // Deno waits within the call, and then ten milliseconds more before the promise resolves.
    const done = this.device.queue.onSubmittedWorkDone();
    const now = performance.now();
    await done;
    return now;
  }

  /** Runs the plan with every dispatch and every group of copies timed. */
  async time(feeds: readonly Feed[]): Promise<TimedStep> {
    const host = this.spend(feeds, () => this.encode());
    const spans = await this.stamps.read();
    let next = 0;
    const dispatches = this.plan.dispatches.map(({ copies }) => {
      const copied = copies.length > 0 ? spans[next++] : undefined;
      return { copies: copied, kernel: spans[next++] };
    });
    return { host, dispatches };
  }

  destroy(): void {
    this.stamps.destroy();
  }

  private spend(feeds: readonly Feed[], encode: () => GPUCommandBuffer): HostSpans {
    const begun = performance.now();
    this.plan.feed(feeds);
    const fed = performance.now();
    const commands = encode();
    const encoded = performance.now();
    this.device.queue.submit([commands]);
    return {
      feed: { begin: begun, end: fed },
      encode: { begin: fed, end: encoded },
      submit: { begin: encoded, end: performance.now() },
    };
  }

  private encode(): GPUCommandBuffer {
    const encoder = this.device.createCommandEncoder();
    let next = 0;
    for (const dispatch of this.plan.dispatches) {
      if (dispatch.copies.length > 0) {
        this.stamps.around(encoder, next++, () => {
          for (const copy of dispatch.copies) recordCopy(encoder, copy, copy.buffer);
        });
      }
      const pass = encoder.beginComputePass({ timestampWrites: this.stamps.pass(next++) });
      recordDispatch(pass, dispatch);
      pass.end();
    }
    this.stamps.resolve(encoder);
    return encoder.finish();
  }
}
