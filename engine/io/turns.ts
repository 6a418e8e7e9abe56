/** Turns of the event loop in a long loop, so that everything else goes on: Ctrl-C is answered. */

/** Milliseconds after which others get a turn. */
const EVERY = 50;

export class Turns {
  private last = performance.now();

  /** To be awaited as often as one likes; mostly it takes no time. */
  async pass(): Promise<void> {
    if (performance.now() - this.last < EVERY) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.last = performance.now();
  }
}
