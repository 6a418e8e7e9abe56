/** Choices that follow from a seed. */

import { below, draws, uniform } from "../../engine/random.ts";

export class Chooser {
  private readonly draw: (counter: number) => number;
  private count = 0;

  constructor(seed: number) {
    this.draw = draws(seed, 0);
  }
  below(n: number): number {
    return below(this.draw(this.count++), n);
  }
  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
  /** Numbers in [-size, size). */
  numbers(length: number, size = 1): Float32Array<ArrayBuffer> {
    return Float32Array.from(
      { length },
      () => size * (2 * uniform(this.draw(this.count++)) - 1),
    );
  }
}
