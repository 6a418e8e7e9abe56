/** Inputs that are nearly right: bytes and JSON values, changed at random but always the same. */
import { below, draws } from "../../engine/random.ts";

/** Random whole numbers that follow from a seed. */
export class Dice {
  private readonly word: (i: number) => number;
  private at = 0;

  constructor(seed: number) {
    this.word = draws(seed, 7);
  }

  /** From 0 to n - 1. */
  below(n: number): number {
    return below(this.word(this.at++), n);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }
}

/** Numbers where things go wrong. */
const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** Bytes with one to four changes: flipped, overwritten, cut, doubled or taken out. */
export function mutateBytes(bytes: Uint8Array, dice: Dice): Uint8Array<ArrayBuffer> {
  let out = Uint8Array.from(bytes);
  for (let changes = 1 + dice.below(4); changes > 0; changes--) {
    const at = dice.below(out.length + 1);
    const length = dice.below(Math.min(64, out.length - at) + 1);
    switch (dice.below(6)) {
      case 0:
        if (at < out.length) out[at] ^= 1 << dice.below(8);
        break;
      case 1:
        if (at + 4 <= out.length) {
          const isLittle = dice.below(2) === 1;
          new DataView(out.buffer).setUint32(at, dice.pick(EXTREMES), isLittle);
        }
        break;
      case 2:
        out = out.slice(0, at);
        break;
      case 3:
        out = Uint8Array.from([...out.subarray(0, at + length), ...out.subarray(at)]);
        break;
      case 4:
        out = Uint8Array.from([...out.subarray(0, at), ...out.subarray(at + length)]);
        break;
      case 5:
        for (let i = 0; i < length; i++) out[at + i] = dice.below(256);
    }
  }
  return out;
}

const ODDITIES: readonly unknown[] = [
  ...[null, true, 0, -1, 0.5, 1e300, 2 ** 53, "", "x", "__proto__", "../../x", "\u0000"],
  ...[[], {}, [null], { version: 1 }, { toString: 1 }, [[[[]]]]],
];

/** A JSON value with one or two parts replaced by oddities, left out or repeated. */
export function mutateJson(value: unknown, dice: Dice): unknown {
  let out = structuredClone(value);
  for (let changes = 1 + dice.below(2); changes > 0; changes--) out = changed(out, dice);
  return out;
}

// deno-lint-ignore no-explicit-any
function changed(value: any, dice: Dice): unknown {
  const isInner = typeof value === "object" && value !== null && Object.keys(value).length > 0;
  if (!isInner || dice.below(8) === 0) return structuredClone(dice.pick(ODDITIES));
  const key = dice.pick(Object.keys(value));
  if (dice.below(6) > 0) value[key] = changed(value[key], dice);
  else if (Array.isArray(value)) value.splice(Number(key), dice.below(2), value[Number(key)]);
  else delete value[key];
  return value;
}

/**
 * A JSON value with each of its parts null in turn, and each text empty, and a name that every object
 * knows; of lists the first item.
 */
export function* eachOdd(value: unknown): Generator<unknown> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, part] of Object.entries(value).slice(0, Array.isArray(value) ? 1 : undefined)) {
    const put = (other: unknown) =>
      Array.isArray(value) ? value.with(Number(key), other) : { ...value, [key]: other };
    yield put(null);
    if (typeof part === "string") yield* ["", "__proto__"].map(put);
    for (const other of eachOdd(part)) yield put(other);
  }
}
