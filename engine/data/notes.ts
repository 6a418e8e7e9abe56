/**
 * What is noted while a data set is read, for its account: what was left out and why, what was
 * guessed and which flag settles it, and what a person should look at before training on it.
 */

/** Files that have no part in the data, for one reason. */
export interface LeftOut {
  readonly why: string;
  readonly count: number;
  /** Some of them. */
  readonly examples: readonly string[];
}

/** What changes what the network learns, and was not said by anybody. */
export interface Guess {
  readonly what: string;
  /** What says it. */
  readonly settle: string;
}

/** Of the files that are left out for a reason, so many are named. */
const EXAMPLES = 3;

export class Notes {
  private readonly reasons = new Map<string, { count: number; examples: string[] }>();
  readonly guesses: Guess[] = [];
  readonly warnings: string[] = [];
  /** How images of several sizes came to one; undefined where one size became another. */
  resized?: string;

  get leftOut(): LeftOut[] {
    return Array.from(this.reasons, ([why, rest]) => ({ why, ...rest }));
  }

  copy(): Notes {
    const copy = new Notes();
    for (const [why, { count, examples }] of this.reasons) {
      copy.reasons.set(why, { count, examples: [...examples] });
    }
    copy.guesses.push(...this.guesses);
    copy.warnings.push(...this.warnings);
    copy.resized = this.resized;
    return copy;
  }

  leaveOut(why: string, path: string): void {
    const reason = this.reasons.get(why) ?? { count: 0, examples: [] };
    reason.count++;
    if (reason.examples.length < EXAMPLES) reason.examples.push(path);
    this.reasons.set(why, reason);
  }

  guess(what: string, settle: string): void {
    this.guesses.push({ what, settle });
  }

  /** Takes back what was guessed where it is known now. @param settle as it was guessed with */
  settled(settle: string): void {
    const kept = this.guesses.filter((guess) => guess.settle !== settle);
    this.guesses.splice(0, this.guesses.length, ...kept);
  }

  warn(what: string): void {
    this.warnings.push(what);
  }
}

/** "a, b, c and 7 more" */
export function some(names: readonly string[], most = EXAMPLES, count = names.length): string {
  const more = count - Math.min(most, names.length);
  return names.slice(0, most).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
