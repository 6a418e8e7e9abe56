/**
 * An ONNX file as a checked graph: nodes with their attributes, stored tensors, one image as its
 * input and one output. Nothing in it is executed, and nothing is allocated that the file doesn't
 * hold: tensors stay views of its bytes until they are read.
 */

import { readBytes } from "../io/files.ts";
import { ExitCode, UserError } from "../errors.ts";
import { printable } from "../printable.ts";
import {
  type AttributeProto,
  MODEL,
  type NodeProto,
  readMessage,
  type ValueInfoProto,
} from "./schema.ts";
import { externalFiles, type Stored, storedTensor } from "./stored.ts";

/** The versions of the standard operators that are read. */
const OLDEST = 7, NEWEST = 22;

/** Nodes of a graph; the largest classifiers have some thousand. */
const MOST_NODES = 50_000;

export interface OnnxNode {
  /** Unique in its graph. */
  readonly name: string;
  readonly op: string;
  /** Names of values; "" for one that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, AttributeProto>;
  /** Tensors among the attributes. */
  readonly tensors: ReadonlyMap<string, Stored>;
}

export interface OnnxModel {
  readonly path: string;
  /** The file itself, of which the tensors are views. */
  readonly bytes: Uint8Array;
  /** Files beside it that hold tensors, by their paths as it states them. */
  readonly external: ReadonlyMap<string, Uint8Array>;
  /** What wrote it: "pytorch 2.1.0". */
  readonly producer: string;
  readonly opset: number;
  /** In an order in which values are there before they are used. */
  readonly nodes: readonly OnnxNode[];
  readonly tensors: ReadonlyMap<string, Stored>;
  readonly input: OnnxInput;
  readonly output: string;
}

/** The images. An extent that is left open, as the batch often is, is undefined. */
export interface OnnxInput {
  readonly name: string;
  readonly shape: readonly (number | undefined)[];
}

const weightsError = (path: string, problem: string, hint?: string) =>
  new UserError(`${path} ${problem}`, ExitCode.weights, hint);

/** Reads an ONNX file and the files that it names. Throws what `decodeOnnx` does. */
export async function readOnnx(path: string): Promise<OnnxModel> {
  const bytes = await readBytes(path, ExitCode.weights);
  return await decodeOnnx(bytes, path);
}

/**
 * @param path of the file, for messages and for the files beside it
 * @throws UserError (weights) that names the file and what is wrong with it
 */
export async function decodeOnnx(bytes: Uint8Array, path: string): Promise<OnnxModel> {
  const { graph, ...head } = decoded(bytes, path);
  if (!graph || graph.node.length === 0) throw weightsError(path, "holds no ONNX graph");
  if (graph.node.length > MOST_NODES) {
    throw weightsError(path, `has ${graph.node.length} nodes, more than the ${MOST_NODES} allowed`);
  }
  if (graph.sparse_initializer.length > 0) {
    throw weightsError(path, "holds sparse tensors", "export it with dense ones");
  }
  const opset = opsetOf(head.opset_import, path);
  const protos = [
    ...graph.initializer,
    ...graph.node.flatMap(({ attribute }) => attribute.flatMap(({ t }) => t ?? [])),
  ];
  const external = await externalFiles(protos, path);
  const tensors = new Map(graph.initializer.map((proto) => {
    if (!proto.name) throw weightsError(path, "holds a tensor without a name");
    return [proto.name, storedTensor(proto, external, path)] as const;
  }));
  const nodes = nodesOf(graph.node, external, path);
  const inputs = graph.input.filter(({ name = "" }) => !tensors.has(name));
  if (inputs.length !== 1 || graph.output.length === 0) {
    throw weightsError(
      path,
      `is no classifier of images: it has ${inputs.length} inputs and ${graph.output.length} outputs`,
      "one input, the images, and one output, the logits, are wanted",
    );
  }
  const input = inputOf(inputs[0], path);
  const output = graph.output[0].name ?? "";
  requireOrder(nodes, new Set([input.name, ...tensors.keys()]), path);
  if (!nodes.some(({ outputs }) => outputs.includes(output))) {
    throw weightsError(path, `is damaged: nothing makes its output ${printable(output)}`);
  }
  return {
    ...{ path, bytes, external, opset, tensors, input, output },
    producer: printable([head.producer_name, head.producer_version].filter(Boolean).join(" ")),
    nodes,
  };
}

function decoded(bytes: Uint8Array, path: string) {
  try {
    return readMessage(bytes, MODEL);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw weightsError(path, `is no ONNX file, or damaged: ${error.message}`);
  }
}

function opsetOf(
  imports: readonly { readonly domain?: string; readonly version?: number }[],
  path: string,
): number {
  const standard = imports.find(({ domain = "" }) => domain === "" || domain === "ai.onnx");
  const version = standard?.version ?? 0;
  if (version >= OLDEST && version <= NEWEST) return version;
  throw weightsError(
    path,
    `is of ONNX's operator set ${version}; sets ${OLDEST} to ${NEWEST} are read`,
    "export it with opset_version=17",
  );
}

function inputOf({ name = "", type }: ValueInfoProto, path: string): OnnxInput {
  const dims = type?.tensor_type?.shape?.dim;
  if (dims?.length !== 4) {
    throw weightsError(
      path,
      `is no classifier of images: its input ${printable(name)} has ` +
        (dims ? `${dims.length} axes` : "no shape") + ", and images have 4",
    );
  }
  // A size that isn't positive is one that is left open.
  return { name, shape: dims.map(({ dim_value = 0 }) => (dim_value > 0 ? dim_value : undefined)) };
}

function nodesOf(
  protos: readonly NodeProto[],
  external: ReadonlyMap<string, Uint8Array>,
  path: string,
): OnnxNode[] {
  const used = new Map<string, number>();
  return protos.map(({ name, op_type: op = "", domain = "", input, output, attribute }) => {
    const wanted = name || output.find(Boolean) || op;
    const times = used.get(wanted) ?? 0;
    used.set(wanted, times + 1);
    const standard = domain === "" || domain === "ai.onnx";
    return {
      name: times === 0 ? wanted : `${wanted}_${times}`,
      op: standard ? op : `${domain}.${op}`,
      inputs: input,
      outputs: output,
      attributes: new Map(attribute.map((a) => [a.name ?? "", a])),
      tensors: new Map(
        attribute.flatMap(({ name = "", t }) => t ? [[name, storedTensor(t, external, path)]] : []),
      ),
    };
  });
}

/** Every value is made once, and before it is used. */
function requireOrder(nodes: readonly OnnxNode[], there: Set<string>, path: string): void {
  const name = (text: string) => printable(text);
  for (const node of nodes) {
    const missing = node.inputs.find((input) => input !== "" && !there.has(input));
    if (missing !== undefined) {
      const what = `node ${name(node.name)} uses ${name(missing)} before it is there`;
      throw weightsError(path, `is damaged: ${what}`);
    }
    for (const output of node.outputs.filter(Boolean)) {
      if (there.has(output)) throw weightsError(path, `is damaged: it makes ${name(output)} twice`);
      there.add(output);
    }
  }
}
