/** Networks as PyTorch exported them: test/reference/onnx_networks.py makes the files. */

import { gunzipSync } from "node:zlib";
import { decodeOnnx } from "../../engine/onnx/model.ts";
import { OnnxNetwork } from "../../engine/onnx/network.ts";
import { referenceState } from "./reference.ts";

/** Packed twice: each weight is one number over and over, which packs to much of the same. */
export async function exportedFile(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = await Deno.readFile(
    new URL(`../reference/onnx/${name}.onnx.gz.gz`, import.meta.url),
  );
  return new Uint8Array(gunzipSync(gunzipSync(packed)));
}

/** The same file with weights that the formula makes. */
export async function weightedFile(name: string, seed: number): Promise<Uint8Array> {
  const network = await exportedNetwork(name);
  return network.files(referenceState(network, seed)).get(".onnx")!;
}

export async function exportedNetwork(name: string): Promise<OnnxNetwork> {
  return new OnnxNetwork(await decodeOnnx(await exportedFile(name), `${name}.onnx`));
}
