/**
 * An ONNX graph as a network like any other: its weights under their own names, its nodes as layers,
 * from images [N, H, W, C] to logits [N, K]. It trains: what was exported for inference has batch
 * statistics and dropout again.
 */

import { ExitCode, UserError } from "../errors.ts";
import { Module, Parameter, type Pass, run } from "../nn/module.ts";
import type { StateDict } from "../nn/state.ts";
import { printable } from "../printable.ts";
import { inLayer } from "../tensor/origin.ts";
import { numel } from "../tensor/shape.ts";
import { Input, type Tensor } from "../tensor/tensor.ts";
import { ending } from "./ending.ts";
import type { OnnxModel, OnnxNode } from "./model.ts";
import { layerNames } from "./names.ts";
import { At } from "./ops/at.ts";
import { knownOf } from "./ops/shapes.ts";
import { notesOf } from "./notes.ts";
import { OPERATORS } from "./ops/table.ts";
import { filtersOf, imageValues, rolesOf } from "./roles.ts";
import {
  channelsLast,
  inPlainOrder,
  isKnown,
  type Known,
  plain,
  reshaped,
  shapeOf,
  type Value,
  WEIGHTS_ORDER,
} from "./value.ts";
import { withWeights } from "./write.ts";
import { floatsOf } from "./weights.ts";

/** Values that a node puts out, of a batch. */
const MOST_VALUES = 2 ** 33;

/** A node's name for what it puts out: a point that a tap can see. Its weights are its properties. */
class Layer extends Module {
  constructor(private readonly op: string, weights: Readonly<Record<string, Parameter>>) {
    super();
    Object.assign(this, weights);
  }

  override get isConvolution(): boolean {
    return this.op === "Conv";
  }

  override get type(): string {
    return this.op;
  }

  protected forward(x: Tensor): Tensor {
    return x;
  }
}

/** Where the images' axes are: [N, C, H, W] or [N, H, W, C]. */
export type ImageLayout = "NCHW" | "NHWC";

export class OnnxNetwork extends Module {
  private readonly nodes: readonly OnnxNode[];
  private readonly output: string;
  private readonly parameters = new Map<string, Parameter>();
  private readonly constants = new Map<string, Known>();
  private readonly layers = new Map<OnnxNode, readonly [name: string, layer: Layer]>();
  readonly layout: ImageLayout;

  /** @throws UserError (weights) that lists the operators which are missing, with their nodes */
  constructor(readonly model: OnnxModel) {
    super();
    requireOperators(model);
    this.layout = imageLayout(model);
    const { nodes, output } = ending(model);
    [this.nodes, this.output] = [nodes, output];
    this.takeTensors();
    this.nameLayers();
  }

  /** The images that the file states; open extents are undefined. */
  get images(): { channels: number; height?: number; width?: number } {
    const [, a, b, c] = this.model.input.shape;
    return this.layout === "NCHW"
      ? { channels: a!, height: b, width: c }
      : { channels: c!, height: a, width: b };
  }

  /** How many classes it tells apart in images of this size. */
  classes(imageSize: number): number {
    const shape = [1, imageSize, imageSize, this.images.channels];
    return run(this, new Input("image", shape), { training: false }).output.shape[1];
  }

  override notes(): string[] {
    return notesOf(this.model, (node) => this.layers.get(node)?.[0] ?? node.name);
  }

  /** Tensors that lie beside the model's file stay beside it, in a folder of their own. */
  override files(state: StateDict): Map<string, Uint8Array> {
    const files = withWeights(this.model, state);
    const isAlone = files.size === 1;
    return new Map([...files].map(([name, bytes]) => {
      if (isAlone) return [".onnx", bytes];
      return [`/${name || "model.onnx"}`, bytes];
    }));
  }

  /** Constants of the file are no state, and ONNX keeps no counters of batches. */
  override stateKey(key: string): string | undefined {
    if (key.endsWith(".num_batches_tracked")) return undefined;
    return this.parameters.has(key) || !this.model.tensors.has(key) ? key : undefined;
  }

  /** Every stored tensor that is used becomes a parameter, or is known from now on. */
  private takeTensors(): void {
    const filters = filtersOf(this.model);
    const roles = rolesOf(this.model);
    for (const [name, stored] of this.model.tensors) {
      const role = roles.get(name);
      if (role === undefined) continue;
      if (role === "constant") this.constants.set(name, knownOf(stored.read()));
      else {
        const [k, c, r, s] = stored.shape;
        const isFilter = filters.has(name);
        const shape = isFilter ? [r, s, c, k] : stored.shape;
        const layout = isFilter ? "conv" : "same";
        const parameter = new Parameter(shape, { value: 0 }, layout, role === "weight");
        parameter.initial.set(floatsOf(stored, parameter));
        this.parameters.set(name, parameter);
      }
    }
  }

  private nameLayers(): void {
    const images = imageValues(this.model);
    const shown = this.nodes.filter(({ outputs }) => images.has(outputs[0]));
    const weights = ({ inputs }: OnnxNode) => inputs.filter((name) => this.parameters.has(name));
    const names = layerNames(shown, weights);
    for (const node of shown) {
      const name = names.get(node)!;
      const own = weights(node).map((tensor) => {
        const property = tensor.startsWith(`${name}.`) ? tensor.slice(name.length + 1) : tensor;
        return [property, this.parameters.get(tensor)!];
      });
      this.layers.set(node, [name, new Layer(node.op, Object.fromEntries(own))]);
    }
  }

  override *namedModules(): Generator<[string, Module]> {
    yield ["", this];
    yield* this.layers.values() as Iterable<[string, Module]>;
  }

  /** The state by the names that the file has for it. */
  override *namedState(): Generator<[string, Parameter]> {
    yield* this.parameters;
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const [batch] = x.shape;
    const { input, opset } = this.model;
    const values = new Map<string, Value>([
      ...this.constants,
      ...[...this.parameters].map(([name, parameter]) => [name, weightValue(parameter)] as const),
      [input.name, this.layout === "NCHW" ? { tensor: x, order: channelsLast(4) } : plain(x)],
    ]);
    for (const node of this.nodes) {
      const [name, layer] = this.layers.get(node) ?? [node.name];
      const inputs = node.inputs.map((input) => values.get(input));
      const at = new At(node, inputs, pass, name, opset, { here: batch, there: input.shape[0] });
      const outputs = this.computed(at);
      outputs.forEach((value, i) => {
        const seen = i > 0 || !layer || isKnown(value)
          ? value
          : { ...value, tensor: layer.apply(value.tensor, pass) };
        values.set(node.outputs[i], seen);
      });
    }
    return this.logits(values.get(this.output)!, batch);
  }

  /** A node's outputs, with errors that name it. */
  private computed(at: At): readonly Value[] {
    try {
      const outputs = inLayer(at.layer, () => OPERATORS.get(at.node.op)!(at));
      const values = [outputs].flat() as readonly Value[];
      const huge = values.map(shapeOf).find((shape) => !(numel(shape) <= MOST_VALUES));
      return huge ? at.refuse(`makes [${huge.join(", ")}], more than any device holds`) : values;
    } catch (error) {
      if (!(error instanceof UserError) || error.exitCode === ExitCode.usage) throw error;
      const where = error.message.startsWith("node ")
        ? ""
        : `node ${printable(at.node.name)} (${at.node.op}): `;
      throw new UserError(
        `${this.model.path}: ${where}${error.message}`,
        ExitCode.weights,
        error.hint,
      );
    }
  }

  /** The output as rows of logits: [N, K], also of [N, K, 1, 1]. */
  private logits(value: Value, batch: number): Tensor {
    const shape = shapeOf(value);
    const isRows = shape.length >= 2 && shape[0] === batch && shape.slice(2).every((e) => e === 1);
    if (isKnown(value) || !isRows) {
      throw new UserError(
        `${this.model.path} is no classifier: its output is [${
          shape.join(", ")
        }] for ${batch} images`,
        ExitCode.weights,
        "a row of logits for each image is wanted",
      );
    }
    return inPlainOrder(reshaped(value, shape.slice(0, 2)));
  }
}

const weightValue = (parameter: Parameter): Value =>
  parameter.layout === "conv" ? { tensor: parameter, order: WEIGHTS_ORDER } : plain(parameter);

/** Colours are few: one, three or four channels. */
const isChannels = (extent: number | undefined) => extent !== undefined && extent <= 4;

function imageLayout({ path, input: { shape } }: OnnxModel): ImageLayout {
  const [, second, , fourth] = shape;
  if (isChannels(fourth) && !isChannels(second)) return "NHWC";
  if (second !== undefined) return "NCHW";
  throw new UserError(
    `${path} leaves open how many channels its images have`,
    ExitCode.weights,
    "export it with a fixed number of channels",
  );
}

function requireOperators({ path, nodes }: OnnxModel): void {
  const missing = Map.groupBy(nodes.filter(({ op }) => !OPERATORS.has(op)), ({ op }) => op);
  if (missing.size === 0) return;
  const lines = [...missing].map(([op, of]) => {
    const names = of.slice(0, 3).map(({ name }) => printable(name)).join(", ");
    return `${printable(op)}: ${names}${of.length > 3 ? ` and ${of.length - 3} more` : ""}`;
  });
  throw new UserError(
    `${path} uses operators that are not there:\n  ${lines.join("\n  ")}`,
    ExitCode.weights,
    "export the network without them, or up to the layer before; quantised networks have to be " +
      "exported before they are quantised",
  );
}
