/** What the readers' right inputs have in common. */
import type { HostTensor } from "../../engine/io/host_tensor.ts";
import { encodeSafetensors } from "../../engine/io/safetensors.ts";
import { text } from "./fuzz.ts";
import { concat } from "./io.ts";

/** The bytes of a number of 32 bits, the lowest first. */
export const word = (n: number) => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24];

export const tensors = new Map<string, HostTensor>([
  ["a", { dtype: "F32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
  ["b.weight", { dtype: "I64", shape: [1], data: BigInt64Array.of(5n) }],
]);
export const safetensors = encodeSafetensors(tensors, { format: "pt" });

/** What a .mat file begins with. */
export const matHead = concat(text("MATLAB 5.0".padEnd(124)), [0, 1], text("IM"));
