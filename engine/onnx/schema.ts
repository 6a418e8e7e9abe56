/**
 * ONNX's messages, as far as a classifier's graph uses them: for each field its number, its name and
 * how it is read. What is not listed is passed over. Values of the type bytes are views of the file,
 * so that a reader holds no copy and a writer finds the place where they lie.
 *
 * Source: github.com/onnx/onnx, onnx/onnx.proto3
 */

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** How a field's value is read, and whether the field stands there once or any number of times. */
interface Field<Value, Name extends string = string> {
  readonly name: Name;
  readonly repeated: boolean;
  /** Its kind on the wire; a repeated number may also stand in one block, packed. */
  readonly wire: WireType;
  readonly read: (reader: BinaryReader, depth: number) => Value;
}

type Fields = Readonly<Record<number, Field<unknown>>>;

/** What a message with such fields is read as: those that repeat are lists, others may be absent. */
export type Message<F extends Fields> =
  & {
    readonly [
      K in keyof F as F[K] extends { repeated: true; name: infer N extends string } ? N : never
    ]: F[K] extends Field<infer V> ? readonly V[] : never;
  }
  & {
    readonly [
      K in keyof F as F[K] extends { repeated: false; name: infer N extends string } ? N : never
    ]?: F[K] extends Field<infer V> ? V : never;
  };

/** Messages in messages: deeper than any real file, and no stack runs over. */
const DEEPEST = 64;

/** Whole numbers are doubles here: those of a graph are extents, and no file is larger. */
const whole = (reader: BinaryReader) => Number(reader.int64());

const kind = <Value>(wire: WireType, read: Field<Value>["read"]) => ({
  one: <const Name extends string>(name: Name) => ({ name, wire, read, repeated: false }) as const,
  many: <const Name extends string>(name: Name) => ({ name, wire, read, repeated: true }) as const,
});
const int64 = kind(WireType.Varint, whole);
const float = kind(WireType.Bit32, (reader) => reader.float());
const text = kind(WireType.LengthDelimited, (reader) => reader.string());
const bytes = kind(WireType.LengthDelimited, (reader) => reader.bytes());
const nested = <F extends Fields>(fields: () => F) =>
  kind(
    WireType.LengthDelimited,
    (reader, depth): Message<F> => readMessage(reader.bytes(), fields(), depth + 1),
  );

/**
 * Reads a message.
 * @throws Error where the bytes are none; nothing is allocated for a length that is only claimed
 */
export function readMessage<F extends Fields>(data: Uint8Array, fields: F, depth = 0): Message<F> {
  if (depth > DEEPEST) throw new RangeError(`messages in messages, more than ${DEEPEST} deep`);
  const reader = new BinaryReader(data);
  const message: Record<string, unknown> = {};
  for (const { name, repeated } of Object.values(fields)) if (repeated) message[name] = [];
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const field = fields[number];
    if (!field) {
      reader.skip(wire, number);
      continue;
    }
    const add = (value: unknown) => {
      if (field.repeated) (message[field.name] as unknown[]).push(value);
      else message[field.name] = value;
    };
    if (wire === field.wire) add(field.read(reader, depth));
    else if (wire === WireType.LengthDelimited && field.repeated) {
      const packed = new BinaryReader(reader.bytes());
      while (packed.pos < packed.len) add(field.read(packed, depth));
    } else throw new TypeError(`${field.name} is of another kind`);
  }
  if (reader.pos > reader.len) throw new RangeError("it ends in the middle of a value");
  return message as Message<F>;
}

const ENTRY = { 1: text.one("key"), 2: text.one("value") };

export const TENSOR = {
  1: int64.many("dims"),
  2: int64.one("data_type"),
  // Packed numbers: a view of them is enough, and is where a writer puts others.
  4: bytes.one("float_data"),
  5: int64.many("int32_data"),
  7: int64.many("int64_data"),
  8: text.one("name"),
  9: bytes.one("raw_data"),
  10: bytes.one("double_data"),
  13: nested(() => ENTRY).many("external_data"),
  14: int64.one("data_location"),
};

const DIMENSION = { 1: int64.one("dim_value"), 2: text.one("dim_param") };
const SHAPE = { 1: nested(() => DIMENSION).many("dim") };
const TENSOR_TYPE = { 1: int64.one("elem_type"), 2: nested(() => SHAPE).one("shape") };
const TYPE = { 1: nested(() => TENSOR_TYPE).one("tensor_type") };
const VALUE_INFO = { 1: text.one("name"), 2: nested(() => TYPE).one("type") };

const ATTRIBUTE = {
  1: text.one("name"),
  2: float.one("f"),
  3: int64.one("i"),
  4: bytes.one("s"),
  5: nested(() => TENSOR).one("t"),
  6: bytes.one("g"),
  7: float.many("floats"),
  8: int64.many("ints"),
  9: bytes.many("strings"),
  20: int64.one("type"),
};

const NODE = {
  1: text.many("input"),
  2: text.many("output"),
  3: text.one("name"),
  4: text.one("op_type"),
  5: nested(() => ATTRIBUTE).many("attribute"),
  7: text.one("domain"),
};

const GRAPH = {
  1: nested(() => NODE).many("node"),
  2: text.one("name"),
  5: nested(() => TENSOR).many("initializer"),
  11: nested(() => VALUE_INFO).many("input"),
  12: nested(() => VALUE_INFO).many("output"),
  15: bytes.many("sparse_initializer"),
};

const OPERATOR_SET = { 1: text.one("domain"), 2: int64.one("version") };

export const MODEL = {
  1: int64.one("ir_version"),
  2: text.one("producer_name"),
  3: text.one("producer_version"),
  7: nested(() => GRAPH).one("graph"),
  8: nested(() => OPERATOR_SET).many("opset_import"),
  25: bytes.many("functions"),
};

export type TensorProto = Message<typeof TENSOR>;
export type NodeProto = Message<typeof NODE>;
export type AttributeProto = Message<typeof ATTRIBUTE>;
export type ValueInfoProto = Message<typeof VALUE_INFO>;
