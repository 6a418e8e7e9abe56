/** ONNX files for tests, written field by field; the numbers are onnx.proto3's. */

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { numel, type Shape } from "../../engine/tensor/shape.ts";

/** A node: its operator, its inputs and outputs by name, and its attributes. */
export interface TestNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly name?: string;
  readonly attributes?: Readonly<Record<string, number | string | readonly number[] | Float>>;
}

/** A number that is a float in the file, though whole. */
export interface Float {
  readonly float: number | readonly number[];
}

export interface TestTensor {
  readonly shape: Shape;
  /** Floats, or whole numbers of 64 bits. */
  readonly values: Float32Array | readonly number[];
  /** Where they lie, in another file. */
  readonly external?: {
    readonly location: string;
    readonly offset?: number;
    readonly length?: number;
  };
  /** Floats as a packed list of numbers, not as bytes. */
  readonly listed?: boolean;
}

export interface TestModel {
  readonly nodes: readonly TestNode[];
  readonly tensors?: Readonly<Record<string, TestTensor>>;
  readonly input?: readonly (number | string)[];
  /** Axes of the output, which ONNX wants to know. */
  readonly outputRank?: number;
  readonly opset?: number;
}

type Write = (writer: BinaryWriter) => void;

const message = (field: number, ...writes: readonly Write[]): Write => (writer) => {
  writer.tag(field, WireType.LengthDelimited).fork();
  for (const write of writes) write(writer);
  writer.join();
};
const text = (field: number, value: string): Write => (writer) =>
  writer.tag(field, WireType.LengthDelimited).string(value);
const int = (field: number, value: number): Write => (writer) =>
  writer.tag(field, WireType.Varint).int64(value);
const float = (field: number, value: number): Write => (writer) =>
  writer.tag(field, WireType.Bit32).float(value);
const bytes = (field: number, value: Uint8Array): Write => (writer) =>
  writer.tag(field, WireType.LengthDelimited).bytes(value);

/** The attribute types FLOAT, INT, STRING, FLOATS and INTS. */
function attribute(name: string, value: number | string | readonly number[] | Float): Write {
  const type = (number: number) => int(20, number);
  const whole = (values: readonly number[]) => values.map((v) => int(8, v));
  const fields = typeof value === "string"
    ? [bytes(4, new TextEncoder().encode(value)), type(3)]
    : typeof value === "number"
    ? Number.isInteger(value) ? [int(3, value), type(2)] : [float(2, value), type(1)]
    : "float" in value
    ? typeof value.float === "number"
      ? [float(2, value.float), type(1)]
      : [...value.float.map((v) => float(7, v)), type(6)]
    : [...whole(value), type(7)];
  return message(5, text(1, name), ...fields);
}

function tensor(
  field: number,
  name: string,
  { shape, values, external, listed }: TestTensor,
): Write {
  const isFloat = values instanceof Float32Array;
  const raw = isFloat
    ? new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    : new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  const { location = "", offset, length } = external ?? {};
  const entry = (key: string, value: number | string | undefined) =>
    value === undefined ? [] : [message(13, text(1, key), text(2, String(value)))];
  const place = external
    ? [
      ...entry("location", location),
      ...entry("offset", offset),
      ...entry("length", length),
      int(14, 1),
    ]
    : [bytes(listed ? 4 : 9, raw)];
  return message(
    field,
    ...shape.map((e) => int(1, e)),
    int(2, isFloat ? 1 : 7),
    text(8, name),
    ...place,
  );
}

const valueInfo = (field: number, name: string, dims: readonly (number | string)[]): Write => {
  const shape = dims.map((dim) => message(1, typeof dim === "number" ? int(1, dim) : text(2, dim)));
  return message(field, text(1, name), message(2, message(1, int(1, 1), message(2, ...shape))));
};

/** A file with one input "x" and one output "y". */
export function onnxFile(
  { nodes, tensors = {}, input = ["batch", 3, 6, 8], outputRank = 2, opset = 17 }: TestModel,
): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  const graph = message(
    7,
    ...nodes.map(({ op, inputs, outputs, name = "", attributes = {} }) =>
      message(
        1,
        ...inputs.map((value) => text(1, value)),
        ...outputs.map((value) => text(2, value)),
        text(3, name),
        text(4, op),
        ...Object.entries(attributes).map(([key, value]) => attribute(key, value)),
      )
    ),
    text(2, "test"),
    ...Object.entries(tensors).map(([key, value]) => tensor(5, key, value)),
    valueInfo(11, "x", input),
    valueInfo(12, "y", Array.from({ length: outputRank }, (_, d) => `y${d}`)),
  );
  for (const write of [int(1, 8), graph, message(8, int(2, opset))]) write(writer);
  return writer.finish() as Uint8Array<ArrayBuffer>;
}

/** Floats that look random and are the same every time. */
export function floats(shape: Shape, phase = 0, least = -1, most = 1): TestTensor {
  const values = Float32Array.from({ length: numel(shape) }, (_, i) => {
    const wave = Math.sin(12.9898 * (i + 1) + 78.233 * phase) * 43758.5453;
    return least + (most - least) * (wave - Math.floor(wave));
  });
  return { shape, values };
}

export const whole = (...values: readonly number[]): TestTensor => ({
  shape: [values.length],
  values,
});
