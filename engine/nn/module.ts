/**
 * Modules: a network as an object whose properties are its parts. The path of properties that
 * leads to a parameter is its name, `conv2_x.0.residual_function.0.weight`, and these are
 * PyTorch's state-dict names. A forward pass only builds graph; what it needs to know and what it
 * leaves behind is in a `Pass`.
 */

import type { HostTensor } from "../io/host_tensor.ts";
import { inLayer } from "../tensor/origin.ts";
import { type AssignmentPair, type Tensor, Variable } from "../tensor/tensor.ts";
import { type Shape } from "../tensor/shape.ts";

/** How a stored tensor's axes are turned between PyTorch's layout and the engine's. */
export type Layout = "same" | "conv";

/** What a parameter starts with: one value, uniform in [-bound, bound), or normal around 0. */
export type Initializer =
  | { readonly value: number }
  | { readonly bound: number }
  | { readonly deviation: number };

/** A named tensor of a module's state. `trainable` ones get gradients; others are statistics. */
export class Parameter extends Variable {
  constructor(
    shape: Shape,
    readonly initializer: Initializer,
    readonly layout: Layout = "same",
    readonly trainable = true,
    dtype: "f32" | "u32" = "f32",
  ) {
    const size = shape.reduce((product, extent) => product * extent, 1);
    super("parameter", shape, dtype === "f32" ? new Float32Array(size) : new Uint32Array(size));
    if ("value" in initializer) this.initial.fill(initializer.value);
  }
}

/** A forward pass under way. */
export interface Pass {
  /** Batch statistics and dropout, as against running averages and none. */
  readonly training: boolean;
  /** Seed and step [2] (u32) for what is random; needed by dropout in training. */
  readonly key?: Tensor;
  /** Share of this batch [] in the running averages, where it is another than the layers' own. */
  readonly momentum?: Tensor;
  /** What the pass changes: running averages. Assign these in the plan of a training step. */
  readonly updates: AssignmentPair[];
  /** Sees, and may replace, the output of every module; its name is the path from the root. */
  readonly tap?: (name: string, output: Tensor) => Tensor;
  /** The name of each module of the network. */
  readonly names: ReadonlyMap<Module, string>;
}

export abstract class Module {
  /** Whether its output's channels are kernels, which `convs` and `last` name as layers. */
  get isConvolution(): boolean {
    return false;
  }

  /** What it is called in tables: PyTorch's name of the layer, or the class's. */
  get type(): string {
    return this.constructor.name;
  }

  /** The output's graph. Layers are applied by `apply`, so that taps see them. */
  protected abstract forward(x: Tensor, pass: Pass): Tensor;

  /** Applies the module to its input and lets the pass's tap see what comes out. */
  apply(x: Tensor, pass: Pass): Tensor {
    const name = pass.names.get(this) ?? "";
    const output = inLayer(name || "(network)", () => this.forward(x, pass));
    return pass.tap?.(name, output) ?? output;
  }

  /** What is to be told of the network before it is used, a line each. */
  notes(): readonly string[] {
    return [];
  }

  /**
   * What a state is written as beside the files that every network's is, for networks that came from
   * a file of another kind: bytes by what follows the state's name, ".onnx".
   */
  files(_state: ReadonlyMap<string, HostTensor>): ReadonlyMap<string, Uint8Array> {
    return new Map();
  }

  /**
   * What a key of somebody's state dict is called here; undefined for what the network does
   * without. Overridden by networks whose files come under older names or with more in them.
   */
  stateKey(key: string): string | undefined {
    return key;
  }

  /** The modules right inside this one, by property. */
  children(): [string, Module][] {
    return Object.entries(this).filter((entry): entry is [string, Module] =>
      entry[1] instanceof Module
    );
  }

  /** Every module from this one on by its path, parents before children; this one is "". */
  *namedModules(prefix = ""): Generator<[string, Module]> {
    yield [prefix, this];
    for (const [name, child] of this.children()) {
      yield* child.namedModules(prefix ? `${prefix}.${name}` : name);
    }
  }

  /** Every tensor of the state by its state-dict key, in PyTorch's order. */
  *namedState(): Generator<[string, Parameter]> {
    for (const [path, module] of this.namedModules()) {
      for (const [name, value] of Object.entries(module)) {
        if (value instanceof Parameter) yield [path ? `${path}.${name}` : name, value];
      }
    }
  }

  /** The parameters that are trained. */
  *namedParameters(): Generator<[string, Parameter]> {
    for (const [name, parameter] of this.namedState()) {
      if (parameter.trainable) yield [name, parameter];
    }
  }
}

/** Modules one after the other, named "0", "1", ... */
export class Sequential extends Module {
  [index: number]: Module;

  constructor(...modules: Module[]) {
    super();
    modules.forEach((module, i) => this[i] = module);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return this.children().reduce((value, [, module]) => module.apply(value, pass), x);
  }
}

/** Modules by their numbers, for a network that applies them as it likes. */
export class ModuleList extends Module {
  [index: number]: Module;
  readonly length: number;

  constructor(modules: readonly Module[]) {
    super();
    modules.forEach((module, i) => this[i] = module);
    this.length = modules.length;
  }

  *[Symbol.iterator](): Generator<Module> {
    for (const [, module] of this.children()) yield module;
  }

  protected forward(): Tensor {
    throw new Error("a ModuleList is applied module by module");
  }
}

export interface PassOptions {
  readonly training: boolean;
  readonly key?: Tensor;
  readonly momentum?: Tensor;
  readonly tap?: (name: string, output: Tensor) => Tensor;
}

/** What a pass over a network built. */
export interface PassResult {
  readonly output: Tensor;
  /** As `Pass.updates`. */
  readonly updates: readonly AssignmentPair[];
}

/** Builds the graph of `network` applied to x, and returns what the pass left behind. */
export function run(network: Module, x: Tensor, options: PassOptions): PassResult {
  const names = new Map([...network.namedModules()].map(([name, module]) => [module, name]));
  const pass: Pass = { ...options, updates: [], names };
  return { output: network.apply(x, pass), updates: pass.updates };
}
