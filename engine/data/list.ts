/**
 * Lists that make what they list when it is asked for. A data set has millions of images; of each only
 * what differs from others is kept, and no object or string of its own.
 */

/** Arrays are such lists too. */
export interface List<T> extends Iterable<T> {
  readonly length: number;
  at(index: number): T | undefined;
}

export abstract class MadeList<T> implements List<T> {
  abstract readonly length: number;
  protected abstract make(index: number): T;

  at(index: number): T | undefined {
    const place = index < 0 ? index + this.length : index;
    return place >= 0 && place < this.length ? this.make(place) : undefined;
  }

  *[Symbol.iterator](): Generator<T> {
    for (let i = 0; i < this.length; i++) yield this.make(i);
  }
}

class Picked<T> extends MadeList<T> {
  constructor(readonly list: List<T>, readonly indices: Uint32Array) {
    super();
  }
  get length() {
    return this.indices.length;
  }
  protected make(index: number): T {
    return this.list.at(this.indices[index])!;
  }
}

/** Those at `indices`, in that order. */
export const picked = <T>(list: List<T>, indices: Uint32Array): List<T> =>
  list instanceof Picked
    ? new Picked<T>(list.list, indices.map((i) => list.indices[i]))
    : new Picked(list, indices);

class Mapped<T, U> extends MadeList<U> {
  constructor(readonly list: List<T>, readonly of: (element: T, index: number) => U) {
    super();
  }
  get length() {
    return this.list.length;
  }
  protected make(index: number): U {
    return this.of(this.list.at(index)!, index);
  }
}

/** What `of` makes of each, whenever it is asked for. */
export const mapped = <T, U>(list: List<T>, of: (element: T, index: number) => U): List<U> =>
  new Mapped(list, of);

/** Texts as UTF-8, one behind the other. */
export class Texts extends MadeList<string> {
  private bytes = new Uint8Array(1 << 12);
  private readonly ends: number[] = [];
  private readonly encoder = new TextEncoder();
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  get length() {
    return this.ends.length;
  }

  push(text: string): void {
    const begin = this.ends.at(-1) ?? 0;
    // The most that an UTF-16 unit becomes.
    const most = begin + 3 * text.length;
    if (most > this.bytes.length) {
      const larger = new Uint8Array(Math.max(most, 1.5 * this.bytes.length));
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.ends.push(begin + this.encoder.encodeInto(text, this.bytes.subarray(begin)).written);
  }

  protected make(index: number): string {
    return this.decoder.decode(this.bytes.subarray(this.ends[index - 1] ?? 0, this.ends[index]));
  }
}

/**
 * Where the texts are that others are equal to.
 * @param hash a number that equal texts share, and few others
 */
export function repeated(texts: List<string>, hash: (text: string) => number): Set<number> {
  // `from` would list all texts.
  const hashes = new Uint32Array(texts.length);
  for (let i = 0; i < hashes.length; i++) hashes[i] = hash(texts.at(i)!);
  const sorted = hashes.toSorted();
  const shared = new Set(sorted.filter((value, i) => value === sorted[i - 1]));
  const suspects: number[] = [];
  for (const [i, value] of hashes.entries()) if (shared.has(value)) suspects.push(i);
  const alike = Map.groupBy(suspects, (i) => texts.at(i));
  return new Set([...alike.values()].filter(({ length }) => length > 1).flat());
}
