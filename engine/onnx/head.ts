/**
 * A new last layer, for data of other classes: the same file but for the weights that make the
 * logits. Their messages are written anew and all others copied, so that the file stays one that drops
 * into where it came from.
 */

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { ExitCode, UserError } from "../errors.ts";
import { draws, streamId, uniform } from "../random.ts";
import { numel } from "../tensor/shape.ts";
import { ending } from "./ending.ts";
import { decodeOnnx, type OnnxModel, type OnnxNode } from "./model.ts";

/** A stored tensor of the head, and which of its axes are the classes. */
interface HeadTensor {
  readonly name: string;
  readonly axis: number;
}

/** Operators between the last layer and the logits that let the classes be. */
const PASSING: readonly string[] = [
  ...["Flatten", "Squeeze", "Identity", "Dropout", "Relu"],
  ...["GlobalAveragePool", "AveragePool", "ReduceMean"],
];

/**
 * The model with a last linear layer for `classes`, which starts as PyTorch's do.
 * @throws UserError (weights) where no such layer is found at its end
 */
export async function withNewHead(
  model: OnnxModel,
  classes: number,
  seed: number,
): Promise<OnnxModel> {
  const head = headOf(model);
  const [weight] = head.map(({ name, axis }) => model.tensors.get(name)!.shape.toSpliced(axis, 1));
  const bound = 1 / Math.sqrt(numel(weight));
  const tensors = new Map(head.map(({ name, axis }) => {
    const shape = model.tensors.get(name)!.shape.with(axis, classes);
    const draw = draws(seed, streamId(`initial ${name}`));
    const values = Float32Array.from(
      { length: numel(shape) },
      (_, i) => (2 * uniform(draw(i)) - 1) * bound,
    );
    return [name, { shape, values }] as const;
  }));
  return await decodeOnnx(rewritten(model.bytes, tensors, classes), model.path);
}

/** The last layer's weight and, where it has one, its bias. */
function headOf(model: OnnxModel): HeadTensor[] {
  const { nodes, tensors, path } = model;
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node])));
  const biases: HeadTensor[] = [];
  for (let node = makers.get(ending(model).output); node; node = makers.get(node.inputs[0])) {
    const { op, inputs } = node;
    const added = inputs.findIndex((name) => tensors.get(name)?.shape.length === 1);
    if (op === "Add" && added >= 0) {
      biases.push({ name: inputs[added], axis: 0 });
      if (added === 0) node = { ...node, inputs: [inputs[1]] };
    } else if (!PASSING.includes(op)) {
      const weight = weightOf(node, makers, tensors);
      if (!weight) break;
      if (tensors.has(inputs[2])) biases.push({ name: inputs[2], axis: 0 });
      return [weight, ...biases];
    }
  }
  throw new UserError(
    `${path}: --new-head finds no last linear layer to replace`,
    ExitCode.weights,
    "give the network a last layer of as many outputs as there are classes, and export it again",
  );
}

/** A layer's weight, stored as it is used or transposed. */
function weightOf(
  { op, inputs, attributes }: OnnxNode,
  makers: ReadonlyMap<string, OnnxNode>,
  tensors: OnnxModel["tensors"],
): HeadTensor | undefined {
  const axes: Readonly<Record<string, number>> = {
    Gemm: attributes.get("transB")?.i === 1 ? 0 : 1,
    MatMul: 1,
    Conv: 0,
  };
  const axis = axes[op];
  if (axis === undefined) return undefined;
  if (tensors.has(inputs[1])) return { name: inputs[1], axis };
  const made = makers.get(inputs[1]);
  const isTurned = made?.op === "Transpose" && tensors.has(made.inputs[0]);
  return isTurned ? { name: made.inputs[0], axis: 1 - axis } : undefined;
}

type Tensors = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly values: Float32Array }
>;

/** A message copied field by field; `change` writes one in its own way, or leaves it to be copied. */
function copied(
  data: Uint8Array,
  change: (field: number, content: Uint8Array, writer: BinaryWriter) => boolean,
): Uint8Array<ArrayBuffer> {
  const [reader, writer] = [new BinaryReader(data), new BinaryWriter()];
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    const raw = reader.skip(wire, field);
    const content = wire === WireType.LengthDelimited ? new BinaryReader(raw).bytes() : raw;
    if (wire !== WireType.LengthDelimited || !change(field, content, writer)) {
      writer.tag(field, wire).raw(raw);
    }
  }
  return writer.finish() as Uint8Array<ArrayBuffer>;
}

/** The numbers of fields, as in schema.ts. */
const GRAPH = 7, INITIALIZER = 5, OUTPUT = 12, VALUE_INFO = 13, NAME = 8;

/** The file with other tensors, and an output of as many classes. */
function rewritten(file: Uint8Array, tensors: Tensors, classes: number): Uint8Array<ArrayBuffer> {
  return copied(file, (field, graph, writer) => {
    if (field !== GRAPH) return false;
    writer.tag(GRAPH, WireType.LengthDelimited).bytes(copied(graph, (field, content, writer) => {
      // Shapes of values in between are of the old head, and optional.
      if (field === VALUE_INFO) return true;
      if (field === OUTPUT) {
        writer.tag(OUTPUT, WireType.LengthDelimited).bytes(withClasses(content, classes));
        return true;
      }
      const name = field === INITIALIZER ? nameOf(content) : "";
      const tensor = tensors.get(name);
      if (tensor) writer.tag(INITIALIZER, WireType.LengthDelimited).bytes(tensorOf(name, tensor));
      return tensor !== undefined;
    }));
    return true;
  });
}

function nameOf(tensor: Uint8Array): string {
  let name = "";
  copied(tensor, (field, content) => {
    if (field === NAME) name = new TextDecoder().decode(content);
    return false;
  });
  return name;
}

function tensorOf(
  name: string,
  { shape, values }: { readonly shape: readonly number[]; readonly values: Float32Array },
): Uint8Array {
  const writer = new BinaryWriter();
  for (const extent of shape) writer.tag(1, WireType.Varint).int64(extent);
  writer.tag(2, WireType.Varint).int32(1);
  writer.tag(NAME, WireType.LengthDelimited).string(name);
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return writer.tag(9, WireType.LengthDelimited).bytes(bytes).finish();
}

/** The output's type with `classes` on its second axis: type, tensor_type, shape, dim. */
function withClasses(output: Uint8Array, classes: number): Uint8Array {
  const within =
    (path: readonly number[], inner: (shape: Uint8Array) => Uint8Array) =>
    (data: Uint8Array): Uint8Array => {
      const [first, ...rest] = path;
      if (first === undefined) return inner(data);
      return copied(data, (field, content, writer) => {
        if (field !== first) return false;
        writer.tag(field, WireType.LengthDelimited).bytes(within(rest, inner)(content));
        return true;
      });
    };
  let axis = 0;
  return within([2, 1, 2], (shape) =>
    copied(shape, (_, __, writer) => {
      if (axis++ !== 1) return false;
      writer.tag(1, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.Varint).int64(classes);
      writer.join();
      return true;
    }))(output);
}
