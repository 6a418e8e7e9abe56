/**
 * The engine's door to the machine that it runs on, for programs in Deno: the GPU with this
 * machine's drivers and tuned kernels, weights and checkpoints in files. A browser leaves it out.
 */

export { checkpointFile } from "../run/checkpoint_file.ts";
export { readWeights } from "../io/weights.ts";
export { openGpu } from "./gpu.ts";
