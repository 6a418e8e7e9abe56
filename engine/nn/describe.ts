/**
 * A network as the table of layers that a paper would print: which parts there are, what size its
 * maps have there, what it does. It is read off the graph, so that it holds what was written as
 * functions and not as layers too.
 */

import { ancestors } from "../tensor/autograd.ts";
import type { Shape } from "../tensor/shape.ts";
import { Input, type Tensor } from "../tensor/tensor.ts";
import { type Module, Parameter, run } from "./module.ts";
import { multiplyAdds, parameterIn } from "./summary.ts";

/** A part of a network, where its maps are of one size. */
export interface Stage {
  /** "conv2_x", "features.3 to 5"; "" where no layer has a name. */
  readonly part: string;
  /** Height and width of its maps; empty after the last of them. */
  readonly pixels: Shape;
  /** Of what it puts out. */
  readonly channels: number;
  /** What it does, and how often, in the order in which it is met: "3 x 3" is a convolution. */
  readonly does: ReadonlyMap<string, number>;
  /** Trained values that are first used there. */
  readonly parameters: number;
  readonly macs: number;
}

/** A node that follows from the images, and where it belongs. */
interface Step {
  readonly node: Tensor;
  readonly layer: string;
  readonly pixels: Shape;
}

/**
 * The network's stages, in order.
 * @param image height, width and channels
 */
export function describeNetwork(network: Module, image: Shape): Stage[] {
  const images = new Input("image", [1, ...image]);
  const { output } = run(network, images, { training: false });
  const nodes = ancestors(output).sort((a, b) => a.id - b.id);
  const ofImages = new Set<Tensor>([images]);
  for (const node of nodes) if (node.inputs.some((of) => ofImages.has(of))) ofImages.add(node);
  const steps: Step[] = nodes
    .filter((node) => node !== images && ofImages.has(node))
    .map((node) => ({ node, layer: node.origin.layer, pixels: pixelsOf(node) }));
  const names = new Set([...network.namedModules()].map(([name]) => name));
  const depth = sharedDepth(steps.map(({ layer }) => layer).filter((name) => names.has(name)));
  const kindOf = kinds(ofImages);
  const counted = new Set<Parameter>();
  return runsOf(steps, ({ layer }) => partOf(layer, depth, names)).flatMap(({ part, of }) => {
    const sized = Map.groupBy(withSqueezed(of), ({ pixels }) => pixels.join(" x "));
    // A stage that others reach into, as branches of a block do, stands where it ends.
    const groups = [...sized.values()].sort((a, b) => a.at(-1)!.node.id - b.at(-1)!.node.id);
    return groups.map((group): Stage => ({
      part: labelOf(part, group, groups.length > 1, names),
      pixels: group[0].pixels,
      channels: group.at(-1)!.node.shape.at(-1) ?? 1,
      does: tally(group.flatMap(({ node }) => kindOf(node) ?? [])),
      parameters: sizeOf(group.flatMap(({ node }) => firstUsed(node, ofImages, counted))),
      macs: group.reduce((sum, { node }) => sum + multiplyAdds(node), 0),
    }));
  }).filter(({ does, parameters }) => does.size > 0 || parameters > 0);
}

const pixelsOf = ({ shape }: Tensor): Shape => shape.length === 4 ? shape.slice(1, 3) : [];

/** How many parts all names begin with. */
function sharedDepth(names: readonly string[]): number {
  const paths = names.map((name) => name.split("."));
  const [first = []] = paths;
  const differs = first.findIndex((part, d) => paths.some((path) => path[d] !== part));
  return Math.max(0, differs);
}

/** The part of the network that a layer lies in; "" for layers of their own. */
function partOf(layer: string, depth: number, names: ReadonlySet<string>): string | undefined {
  if (!names.has(layer)) return undefined;
  const path = layer.split(".");
  const part = path.slice(0, depth + 1).join(".");
  const isAlone = path.length <= depth + 1 && ![...names].some((of) => of.startsWith(`${part}.`));
  return isAlone ? "" : part;
}

/** Steps that follow each other in one part; what lies in none is the one's before. */
function runsOf(steps: readonly Step[], part: (step: Step) => string | undefined) {
  const runs: { readonly part: string; readonly of: Step[] }[] = [];
  for (const step of steps) {
    const of = part(step) ?? runs.at(-1)?.part ?? "";
    if (runs.at(-1)?.part === of) runs.at(-1)!.of.push(step);
    else runs.push({ part: of, of: [step] });
  }
  return runs;
}

/** What is squeezed out of a map and put to it again, as attention to channels is, is the map's. */
function withSqueezed(steps: readonly Step[]): Step[] {
  let [wide, any]: (Shape | undefined)[] = [];
  return [...steps].reverse().map((step) => {
    if (step.pixels.some((extent) => extent > 1)) any = wide = step.pixels;
    else if (step.pixels.length > 0) any = wide ?? step.pixels;
    return { ...step, pixels: any ?? step.pixels };
  }).reverse();
}

/** The part's name; where it has several stages, those of its layers. */
function labelOf(
  part: string,
  group: readonly Step[],
  isOneOfSeveral: boolean,
  names: ReadonlySet<string>,
): string {
  if (part !== "" && !isOneOfSeveral) return part;
  const depth = part === "" ? 0 : part.split(".").length;
  const own = group.map(({ layer }) => layer).filter((name) => names.has(name) && name !== part);
  if (own.length === 0) return "";
  const inside = own.map((name) => part === "" ? name : name.split(".")[depth]);
  const [first, last] = [inside[0], inside.at(-1)];
  const range = first === last ? first : `${first} to ${last}`;
  return part === "" ? range : `${part}.${range}`;
}

/** What a node does, where a table of layers tells it. */
function kinds(ofImages: ReadonlySet<Tensor>): (node: Tensor) => string | undefined {
  const isJoin = joins(ofImages);
  return (node) => {
    switch (node.operation.name) {
      case "conv2d":
      case "conv2dInputGrad":
        return convolutionKind(node, ofImages);
      case "matmul":
        return parameterIn(node.inputs[1]) ? "linear" : undefined;
      case "maxPoolIndices":
        return "max pool";
      case "sum":
        return averages(node) ? "average" : undefined;
      case "concat":
        return "concat";
      default:
        return node.shape.length === 4 && isJoin(node) ? "sum" : undefined;
    }
  };
}

/** Of a convolution with weights its kernel; average pools and products of maps are ones without. */
function convolutionKind(
  { operation: { name }, inputs: [x, filters] }: Tensor,
  ofImages: ReadonlySet<Tensor>,
): string | undefined {
  if (ofImages.has(filters)) return "product";
  const isTransposed = name === "conv2dInputGrad";
  if (!parameterIn(filters)) return isTransposed ? undefined : "average";
  const [height, width, channels] = filters.shape;
  const groups = isTransposed ? 1 : x.shape[3] / channels;
  return [
    `${height} x ${width}`,
    isTransposed && "transposed",
    groups > 1 && (channels === 1 ? "depthwise" : `in ${groups} groups`),
  ].filter(Boolean).join(" ");
}

/** Whether a sum is over the pixels of a map. */
function averages({ inputs: [of], shape }: Tensor): boolean {
  const map = of.operation.kind === "alias" ? of.inputs[0] : of;
  return pixelsOf(map).some((extent) => extent > 1) && shape[0] === map.shape[0] &&
    shape.at(-1) === map.shape[3] && shape.slice(1, -1).every((extent) => extent === 1);
}

/**
 * Whether a node adds maps that come from different places, as a block does its input: pointwise
 * functions add too, but what they add comes from one place.
 */
function joins(ofImages: ReadonlySet<Tensor>): (node: Tensor) => boolean {
  const known = new Map<Tensor, ReadonlySet<Tensor>>();
  const sources = (node: Tensor): ReadonlySet<Tensor> => {
    let found = known.get(node);
    if (!found) {
      const inputs = node.inputs.filter((input) => ofImages.has(input));
      found = node.operation.kind === "pointwise" && inputs.length > 0
        ? new Set(inputs.flatMap((input) => [...sources(input)]))
        : new Set([node]);
      known.set(node, found);
    }
    return found;
  };
  return ({ operation, inputs }) => {
    if (operation.name !== "add" || !inputs.every((input) => ofImages.has(input))) return false;
    const [a, b] = inputs.map(sources);
    return a.symmetricDifference(b).size > 0;
  };
}

function tally(kinds: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** The trained parameters that a node uses, and none before it did. */
function firstUsed(
  node: Tensor,
  ofImages: ReadonlySet<Tensor>,
  counted: Set<Parameter>,
): Parameter[] {
  const inputs = node.inputs.filter((input) => !ofImages.has(input));
  return ancestors(...inputs).filter((of): of is Parameter => {
    if (!(of instanceof Parameter) || !of.trainable || counted.has(of)) return false;
    counted.add(of);
    return true;
  });
}

const sizeOf = (parameters: readonly Parameter[]): number =>
  parameters.reduce((sum, { size }) => sum + size, 0);
