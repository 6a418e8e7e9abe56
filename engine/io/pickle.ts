/**
 * A restricted reader of Python's pickles. A pickle is a program for a stack machine, two of whose
 * instructions (GLOBAL, REDUCE) import and call anything by name. This machine knows the
 * instructions that build plain data, and of names only those in a table that the caller gives;
 * everything else is refused before anything is done with it.
 *
 * Python's None, bool, str and bytes become null, boolean, string and Uint8Array; int becomes
 * number, or bigint beyond 2^53; float becomes number; list, tuple and set become arrays, dict a Map.
 *
 * Every instruction takes at least a byte of input and makes at most one small value or a copy of
 * its own operands; a call may copy what its arguments hold. So memory is bounded by the number of
 * steps, an instruction being one and a call as many as its arguments have elements: it is limited.
 *
 * Source: the comments of Lib/pickletools.py; protocols 2 to 5 (older ones are text).
 */
import { ExitCode, UserError } from "../errors.ts";
import { LIMITS } from "./limits.ts";

export interface PickleRules {
  /** What the pickle may name, by "module.name"; a function is what the pickle may call. */
  readonly globals: ReadonlyMap<string, unknown>;
  /** What a persistent id (something stored beside the pickle) stands for. */
  readonly persistent: (id: unknown) => unknown;
}

/** A function of the table of globals. It checks its arguments itself. */
export type PickleFunction = (...args: unknown[]) => unknown;

const mostArguments = 16;
const longestInteger = 32;
const maximumSafe = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * Runs one pickle.
 * @param start where it begins in `bytes`
 * @param where the file, for messages
 * @returns its value, and where the next byte after it is
 * @throws UserError (weights) that says which instruction or name is refused
 */
export function unpickle(
  bytes: Uint8Array,
  start: number,
  rules: PickleRules,
  where: string,
): { value: unknown; end: number } {
  return new Machine(bytes, start, rules, where).run();
}

class Machine {
  private readonly view: DataView;
  private stack: unknown[] = [];
  /** The stacks below the marks that are open. */
  private readonly below: unknown[][] = [];
  private readonly memo = new Map<number, unknown>();
  private steps = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private at: number,
    private readonly rules: PickleRules,
    private readonly where: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): { value: unknown; end: number } {
    for (;;) {
      this.spend(1);
      const code = this.u8();
      if (code === STOP) return { value: this.pop(), end: this.at };
      const instruction = INSTRUCTIONS.get(code);
      if (!instruction) throw this.refuse(`it holds the instruction ${describe(code)}`);
      instruction(this);
    }
  }

  private spend(steps: number): void {
    this.steps += steps;
    if (this.steps > LIMITS.pickleSteps) {
      throw this.refuse(`it takes more than ${LIMITS.pickleSteps} steps`);
    }
  }

  push(value: unknown): void {
    this.stack.push(value);
  }

  pop(): unknown {
    if (this.stack.length === 0) throw this.refuse("it takes a value where none is");
    return this.stack.pop();
  }

  top(): unknown {
    if (this.stack.length === 0) throw this.refuse("it takes a value where none is");
    return this.stack[this.stack.length - 1];
  }

  mark(): void {
    this.below.push(this.stack);
    this.stack = [];
  }

  /** The values above the last mark, which is taken away with them. */
  popToMark(): unknown[] {
    const values = this.stack;
    const below = this.below.pop();
    if (!below) throw this.refuse("it goes back to a mark where none is");
    this.stack = below;
    return values;
  }

  popMany(count: number): unknown[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  remember(index = this.memo.size): void {
    this.memo.set(index, this.top());
  }

  recall(index: number): void {
    if (!this.memo.has(index)) {
      throw this.refuse(`it recalls value ${index}, which it never stored`);
    }
    this.push(this.memo.get(index));
  }

  append(values: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw this.refuse("it appends to what is no list");
    for (const value of values) list.push(value);
  }

  setItems(items: readonly unknown[]): void {
    const dict = this.top();
    if (!(dict instanceof Map)) throw this.refuse("it sets an item of what is no dict");
    for (const [key, value] of this.pairs(items)) dict.set(key, value);
  }

  pairs(items: readonly unknown[]): [unknown, unknown][] {
    if (items.length % 2 !== 0) throw this.refuse("it gives a dict a key without a value");
    return Array.from({ length: items.length / 2 }, (_, i) => [items[2 * i], items[2 * i + 1]]);
  }

  /** Only names in the caller's table mean anything here. */
  global(module: unknown, name: unknown): void {
    if (typeof module !== "string" || typeof name !== "string") {
      throw this.refuse("it names something by what is no text");
    }
    const path = `${module}.${name}`;
    if (!this.rules.globals.has(path)) {
      throw this.refuse(`it names ${path}, which is not part of plain weights`);
    }
    this.push(this.rules.globals.get(path));
  }

  call(): void {
    const [callee, args] = this.popMany(2);
    if (typeof callee !== "function" || !Array.isArray(args) || args.length > mostArguments) {
      throw this.refuse("it calls what is no function, or with what are no arguments");
    }
    for (const arg of args) {
      if (Array.isArray(arg)) this.spend(arg.length);
      if (arg instanceof Map) this.spend(arg.size);
    }
    this.push(this.checked(() => (callee as PickleFunction)(...args)));
  }

  persistent(): void {
    const id = this.pop();
    this.push(this.checked(() => this.rules.persistent(id)));
  }

  /** Attributes (a dict's are PyTorch's versions of modules) are of no use here. */
  build(): void {
    this.pop();
    const of = this.top();
    if (of instanceof Map || of instanceof PlainObject) return;
    throw this.refuse("it sets attributes of what is no dict");
  }

  u8 = (): number => this.bytes[this.advance(1)];
  u16 = (): number => this.view.getUint16(this.advance(2), true);
  i32 = (): number => this.view.getInt32(this.advance(4), true);
  u32 = (): number => this.view.getUint32(this.advance(4), true);
  u64 = (): number => Number(this.view.getBigUint64(this.advance(8), true));
  /** Big-endian, other than everything else. */
  f64 = (): number => this.view.getFloat64(this.advance(8), false);

  slice(length: number): Uint8Array {
    const from = this.advance(length);
    return this.bytes.subarray(from, from + length);
  }

  text(length: number): string {
    return new TextDecoder().decode(this.slice(length));
  }

  line(): string {
    const end = this.bytes.indexOf(NEWLINE, this.at);
    if (end < 0) throw this.refuse("it is truncated");
    const text = this.text(end - this.at);
    this.advance(1);
    return text;
  }

  /** A two's complement integer of any length. */
  integer(length: number): number | bigint {
    if (length > longestInteger) throw this.refuse(`it holds an integer of ${length} bytes`);
    const value = this.slice(length).reduceRight((sum, byte) => sum << 8n | BigInt(byte), 0n);
    const signed = BigInt.asIntN(8 * length, value);
    const safe = signed <= maximumSafe && signed >= -maximumSafe;
    return safe ? Number(signed) : signed;
  }

  private advance(bytes: number): number {
    const from = this.at;
    if (from + bytes > this.bytes.length) throw this.refuse("it is truncated");
    this.at += bytes;
    return from;
  }

  /** What the caller's functions throw is told with the file's name. */
  private checked(make: () => unknown): unknown {
    try {
      return make();
    } catch (error) {
      throw error instanceof PickleError ? this.refuse(error.message) : error;
    }
  }

  private refuse(problem: string): UserError {
    return new UserError(
      `${this.where}: not read: at byte ${this.at} of its pickle ${problem}; nothing was executed`,
      ExitCode.weights,
      "Where you trust the file, load it in PyTorch and save the weights alone: " +
        'torch.save(model.state_dict(), "weights.pth")',
    );
  }
}

/** An object that is plain data in Python, of which nothing is wanted here: a date, a path. */
export class PlainObject {
  constructor(readonly kind: string) {}
}

/** What functions of the table of globals throw: the problem, for the middle of a message. */
export class PickleError extends Error {}

const STOP = 0x2e;
const NEWLINE = 0x0a;

/** The instructions that are carried out, by code. */
const INSTRUCTIONS = new Map<number, (m: Machine) => void>([
  [0x80, (m) => void m.u8()], // PROTO
  [0x95, (m) => void m.u64()], // FRAME
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => void m.pop()], // POP
  [0x31, (m) => void m.popToMark()], // POP_MARK
  [0x32, (m) => m.push(m.top())], // DUP

  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.i32())], // BININT
  [0x4b, (m) => m.push(m.u8())], // BININT1
  [0x4d, (m) => m.push(m.u16())], // BININT2
  [0x8a, (m) => m.push(m.integer(m.u8()))], // LONG1
  [0x8b, (m) => m.push(m.integer(m.u32()))], // LONG4
  [0x47, (m) => m.push(m.f64())], // BINFLOAT
  [0x58, (m) => m.push(m.text(m.u32()))], // BINUNICODE
  [0x8c, (m) => m.push(m.text(m.u8()))], // SHORT_BINUNICODE
  [0x8d, (m) => m.push(m.text(m.u64()))], // BINUNICODE8
  [0x54, (m) => m.push(m.text(m.u32()))], // BINSTRING: Python 2's str
  [0x55, (m) => m.push(m.text(m.u8()))], // SHORT_BINSTRING
  [0x42, (m) => m.push(m.slice(m.u32()))], // BINBYTES
  [0x43, (m) => m.push(m.slice(m.u8()))], // SHORT_BINBYTES
  [0x8e, (m) => m.push(m.slice(m.u64()))], // BINBYTES8

  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x6c, (m) => m.push(m.popToMark())], // LIST
  [0x61, (m) => m.append(m.popMany(1))], // APPEND
  [0x65, (m) => m.append(m.popToMark())], // APPENDS
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x74, (m) => m.push(m.popToMark())], // TUPLE
  [0x85, (m) => m.push(m.popMany(1))], // TUPLE1
  [0x86, (m) => m.push(m.popMany(2))], // TUPLE2
  [0x87, (m) => m.push(m.popMany(3))], // TUPLE3
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x64, (m) => m.push(new Map(m.pairs(m.popToMark())))], // DICT
  [0x73, (m) => m.setItems(m.popMany(2))], // SETITEM
  [0x75, (m) => m.setItems(m.popToMark())], // SETITEMS

  [0x71, (m) => m.remember(m.u8())], // BINPUT
  [0x72, (m) => m.remember(m.u32())], // LONG_BINPUT
  [0x94, (m) => m.remember()], // MEMOIZE
  [0x68, (m) => m.recall(m.u8())], // BINGET
  [0x6a, (m) => m.recall(m.u32())], // LONG_BINGET

  [0x63, (m) => m.global(m.line(), m.line())], // GLOBAL
  [0x93, (m) => m.global(...(m.popMany(2) as [unknown, unknown]))], // STACK_GLOBAL
  [0x52, (m) => m.call()], // REDUCE
  [0x81, (m) => m.call()], // NEWOBJ: a class is called as a function is
  [0x8f, (m) => m.push([])], // EMPTY_SET
  [0x90, (m) => m.append(m.popToMark())], // ADDITEMS
  [0x91, (m) => m.push(m.popToMark())], // FROZENSET
  [0x96, (m) => m.push(m.slice(m.u64()))], // BYTEARRAY8
  [0x51, (m) => m.persistent()], // BINPERSID
  [0x62, (m) => m.build()], // BUILD
]);

/** Instructions that files of PyTorch don't hold, by name for the message. */
const REFUSED = new Map([
  [0x69, "INST"],
  [0x6f, "OBJ"],
  [0x92, "NEWOBJ_EX"],
  [0x50, "PERSID"],
  [0x82, "EXT1"],
  [0x83, "EXT2"],
  [0x84, "EXT4"],
  [0x97, "NEXT_BUFFER"],
]);

function describe(code: number): string {
  const name = REFUSED.get(code);
  return `0x${code.toString(16).padStart(2, "0")}${name ? ` (${name})` : ""}, which is not read`;
}
