/** Labels and classes: one-hot rows of labels, and the class of a row of logits. */

import argmaxShader from "../../../shaders/loss/argmax.wgsl" with { type: "text" };
import oneHotShader from "../../../shaders/loss/one_hot.wgsl" with { type: "text" };
import { type Kernel, read, written } from "../kernel.ts";

/** Operands: labels, y [rows, classes]. */
export function oneHotKernel(rows: number, classes: number): Kernel {
  const count = rows * classes;
  return {
    label: `oneHot [${rows}, ${classes}]`,
    shader: oneHotShader,
    operands: [read("labels", "u32"), written("y", "f32")],
    constants: { COUNT: count, CLASSES: classes },
    workgroups: Math.ceil(count / 64),
    flops: 0,
    bytes: 4 * (rows + count),
  };
}

/**
 * Operands: x [rows, columns], y [rows].
 * @param except whether there is an operand between them, labels [rows], whose columns are left out
 */
export function argmaxKernel(rows: number, columns: number, except = false): Kernel {
  const labels = except ? [read("labels", "u32")] : [];
  return {
    label: `argmax${except ? "Except" : ""} [${rows}, ${columns}]`,
    shader: argmaxShader,
    operands: [read("x", "f32"), ...labels, written("y", "u32")],
    slots: { candidate: except ? "if (column == load_labels(row)) {\n  continue;\n}" : "" },
    constants: { ROWS: rows, COLUMNS: columns },
    workgroups: Math.ceil(rows / 64),
    flops: rows * columns,
    bytes: 4 * rows * (columns + 1),
  };
}
