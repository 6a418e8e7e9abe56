/**
 * When a run of several stages will be over: its epochs that are still to come, each at the time
 * that the finished ones of its kind took. What is no epoch (a diagnosis, the measures) is short
 * beside them and not foreseen, so the end is told as about then.
 */

/** How many stages of a kind there are in a run, and the epochs of each. */
export interface Stages {
  readonly count: number;
  readonly epochs: number;
  /** An epoch's time beside that of other kinds, until one was measured (default 1). */
  readonly cost?: number;
}

export class Forecast {
  readonly #stages: Readonly<Record<string, Stages>>;
  /** Stages of each kind that have not begun. */
  readonly #waiting: Map<string, number>;
  /** Milliseconds and number of the epochs that were measured, by kind. */
  readonly #measured = new Map<string, { time: number; epochs: number }>();
  /** Epochs of the stage under way that come after this one. */
  #after = 0;
  #current: string | undefined;

  /**
   * @param stages of the whole run, by kind
   * @param kindOf a stage's kind, by its name
   */
  constructor(
    stages: Readonly<Record<string, Stages>>,
    private readonly kindOf = (name: string): string => name,
  ) {
    this.#stages = stages;
    this.#waiting = new Map(Object.entries(stages).map(([kind, { count }]) => [kind, count]));
  }

  /** A stage begins, or was finished before and is left out. */
  stage(name: string, isLeftOut = false): void {
    const kind = this.kindOf(name);
    const left = this.#waiting.get(kind);
    if (left === undefined) return;
    this.#waiting.set(kind, Math.max(left - 1, 0));
    [this.#current, this.#after] = isLeftOut ? [undefined, 0] : [kind, this.#stages[kind].epochs];
  }

  /** A run of a stage of each kind was finished before. */
  leaveOut(): void {
    for (const [kind, left] of this.#waiting) this.#waiting.set(kind, Math.max(left - 1, 0));
  }

  /** An epoch of the stage under way begins; counted from 1. */
  epoch(epoch: number, epochs: number): void {
    this.#after = epochs - epoch;
  }

  /** An epoch took so many milliseconds. */
  took(name: string, time: number): void {
    const kind = this.kindOf(name);
    const { time: before, epochs } = this.#measured.get(kind) ?? { time: 0, epochs: 0 };
    this.#measured.set(kind, { time: before + time, epochs: epochs + 1 });
  }

  /**
   * Milliseconds for all that comes after the epoch under way.
   * @param now the time that this epoch takes, as far as can be said
   */
  rest(now: number): number {
    const times = new Map([...this.#measured].map(([kind, of]) => [kind, of.time / of.epochs]));
    if (this.#current !== undefined && !times.has(this.#current)) times.set(this.#current, now);
    const cost = (kind: string) => this.#stages[kind]?.cost ?? 1;
    const units = [...times].map(([kind, time]) => time / cost(kind));
    const unit = units.length > 0 ? units.reduce((sum, u) => sum + u) / units.length : now;
    const timeOf = (kind: string) => times.get(kind) ?? unit * cost(kind);
    const waiting = [...this.#waiting].reduce(
      (sum, [kind, count]) => sum + count * this.#stages[kind].epochs * timeOf(kind),
      0,
    );
    return waiting + (this.#current === undefined ? 0 : this.#after * timeOf(this.#current));
  }
}
