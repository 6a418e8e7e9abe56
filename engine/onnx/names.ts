/**
 * What a graph's nodes are called as layers. A layer with weights is called as they are, as far as
 * their names agree: of "layer1.0.conv1.weight" and ".bias" that is PyTorch's module. Others have
 * their node's name, "/layer1/layer1.0/relu/Relu", in the same manner: layer1.0.relu.
 */

import type { OnnxNode } from "./model.ts";

/** The names of layers by node, each once. @param weights the trained tensors of a node */
export function layerNames(
  nodes: readonly OnnxNode[],
  weights: (node: OnnxNode) => readonly string[],
): ReadonlyMap<OnnxNode, string> {
  const names = new Map<OnnxNode, string>();
  const taken = new Set<string>();
  const take = (node: OnnxNode, wanted: string) => {
    let name = wanted;
    for (let n = 1; taken.has(name) || name === "" || name === "input"; n++) {
      name = `${wanted}_${n}`;
    }
    taken.add(name);
    names.set(node, name);
  };
  // Weights first, that what only has a node's name doesn't take theirs.
  const byWeights = new Map(nodes.map((node) => [node, moduleOf(weights(node))]));
  for (const node of nodes) {
    const module = byWeights.get(node);
    if (module !== undefined) take(node, module);
  }
  for (const node of nodes) if (!names.has(node)) take(node, ofNode(node));
  return names;
}

/** The module that all of these tensors are of. */
function moduleOf(tensors: readonly string[]): string | undefined {
  const modules = new Set(tensors.map((name) => name.slice(0, Math.max(name.lastIndexOf("."), 0))));
  const [module] = modules;
  return modules.size === 1 && module !== "" && !module.includes("::") ? module : undefined;
}

/** "/layer1/layer1.0/relu/Relu" is layer1.0.relu, and "/layer1/layer1.0/Add" layer1.0.Add. */
function ofNode({ name, op }: OnnxNode): string {
  const parts = name.split("/").filter(Boolean);
  const isScoped = name.startsWith("/") && parts.length > 1;
  const [last, scope] = [parts[parts.length - 1] ?? op, parts.slice(0, -1)];
  if (!isScoped) return sanitized(name);
  // A scope begins with the one around it where that is a list: layer1/layer1.0.
  const path = scope.map((part, i) => {
    const outer = scope[i - 1];
    if (outer === undefined) return part;
    return part.startsWith(`${outer}.`) ? part.slice(outer.length) : `.${part}`;
  }).join("");
  return sanitized(ownName(scope, op) ? path : `${path}.${last}`);
}

/** Whether the innermost scope is of the one operator, as that of relu is of Relu. */
const ownName = (scope: readonly string[], op: string): boolean =>
  scope[scope.length - 1].toLowerCase().replace(/[^a-z]/g, "").includes(op.toLowerCase());

/** A name on a command line: commas part names there, stars are patterns. */
const sanitized = (name: string): string => name.replace(/[^\w.\-]+/g, "_").replace(/^_+|_+$/g, "");
