/** What a graph does not say, or what its export took from it: told before anything is trained. */

import { printable } from "../printable.ts";
import { ending } from "./ending.ts";
import type { OnnxModel, OnnxNode } from "./model.ts";
import { rolesOf } from "./roles.ts";

const several = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;

/** The first of many nodes, by the names of their layers. */
function first(nodes: readonly OnnxNode[], nameOf: (node: OnnxNode) => string): string {
  const names = nodes.slice(0, 3).map((node) => printable(nameOf(node))).join(", ");
  return nodes.length > 3 ? `${names} and ${nodes.length - 3} more` : names;
}

/** A line for each thing that a user should know. */
export function notesOf(model: OnnxModel, nameOf: (node: OnnxNode) => string): string[] {
  const { nodes, producer, opset, path, tensors } = model;
  const of = (op: string) => nodes.filter((node) => node.op === op);
  const written = producer === "" ? "" : ` written by ${producer},`;
  const notes = [`from ${path}:${written} operator set ${opset}, ${several(nodes.length, "node")}`];
  const { takenOff } = ending(model);
  if (takenOff) notes.push(`its last node, ${takenOff}, is taken off: the loss wants logits`);
  const [norms, convs] = [of("BatchNormalization"), of("Conv")];
  if (norms.length > 0) {
    notes.push(`${several(norms.length, "batch normalisation")} trained with batch statistics`);
  }
  const folded = convs.filter(({ inputs }) =>
    inputs.slice(1, 3).some((name) => name.includes("::"))
  );
  if (folded.length > 0) {
    notes.push(
      `batch normalisation was folded into ${
        several(folded.length, "convolution")
      } by the export ` +
        `(${first(folded, nameOf)}), which train without it; export with ` +
        "training=TrainingMode.PRESERVE to keep it",
    );
  }
  const shared = of("Identity").filter(({ inputs }) => tensors.has(inputs[0]));
  const roles = rolesOf(model);
  const tied = shared.filter(({ inputs }) => roles.get(inputs[0]) === "weight");
  if (tied.length > 0) {
    notes.push(
      `${several(tied.length, "weight")} equal to another when it was exported, and ` +
        "stored as one with it: they are trained as one",
    );
  }
  return notes;
}
