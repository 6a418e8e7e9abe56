/**
 * A kernel for a reader: what it is bound to and what it costs, and its text as a driver gets it, where
 * each line says from where it comes. Comments stand where they stood, once; the branches that its
 * constants rule out are left out.
 */

import { takenBranches } from "./branches.ts";
import { expandLines } from "./expand.ts";
import type { Kernel } from "./kernel.ts";
import { placesOf, render } from "./render.ts";

type Shape = readonly number[];

/** The operands with the shapes of what is bound to them, the constants, the workgroups, the cost. */
export function factsOf(kernel: Kernel, shapes: readonly Shape[]): string[] {
  const { operands, constants = {}, workgroups, flops, bytes, tunable } = kernel;
  const values = Object.entries(constants).map(([name, value]) => `${name} ${value}`).join(", ");
  return [
    `${workgroups} workgroups, ${flops} operations on ${bytes} bytes`,
    ...operands.map(({ name, element, storage, role }, k) =>
      `binding ${k}: ${name}, ${element} in a ${storage}, ${role}, [${shapes[k].join(", ")}]`
    ),
    ...(values ? [`constants: ${values}`] : []),
    ...(tunable ? [`variant: ${tunable.chosen}, of ${tunable.variants.length}`] : []),
  ];
}

/** Code is padded to this column, and behind it stands the place. */
const COLUMN = 72;

/** @param file the shader's, for the places; without it they are "shader line 7" */
export function annotated(kernel: Kernel, file?: string): string {
  const text = render(kernel);
  const source = text.split("\n");
  const places = placesOf(file === undefined ? kernel : { ...kernel, file });
  const lines = takenBranches(expandLines(text, source.map((_, at) => `${at}`)));
  const told = new Set<number>();
  return lines.flatMap((line) => {
    const at = Number(line.place);
    const isNew = !told.has(at);
    told.add(at);
    const remark = isNew ? /\s(\/\/ .*)$/.exec(source[at])?.[1] : undefined;
    return [
      ...(isNew ? commentAbove(source, at) : []),
      `${line.text.padEnd(COLUMN)} // ${places[at]}${remark ? `; ${remark.slice(3)}` : ""}`,
    ];
  }).join("\n") + "\n";
}

/** The comment before a line; marks for `render` and `expand` are none. */
function commentAbove(source: readonly string[], at: number): string[] {
  const comment: string[] = [];
  for (let above = at - 1; above >= 0 && /^\s*(\/\/.*)?$/.test(source[above]); above--) {
    const isMark = /^\s*\/\/ (@\w+|begin \w+|end \w+)\s*$/.test(source[above]);
    if (!isMark && source[above].trim() !== "") comment.unshift(source[above]);
  }
  return comment;
}
