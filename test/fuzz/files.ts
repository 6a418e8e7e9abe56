/** Weights, arrays, archives, records. */
import { deflateSync } from "node:zlib";
import { verifyCase } from "../../engine/doctor/verify_case.ts";
import type { HostTensor } from "../../engine/io/host_tensor.ts";
import { readMat } from "../../engine/io/mat.ts";
import { decodeNpy, encodeNpy } from "../../engine/io/npy.ts";
import { dictsInPth } from "../../engine/io/pth.ts";
import { decodeSafetensors, encodeSafetensors } from "../../engine/io/safetensors.ts";
import { readTar } from "../../engine/io/tar.ts";
import { decodeRecords, encodeRecord } from "../../engine/io/tfrecord.ts";
import { openWeightsFile } from "../../engine/io/weights.ts";
import { decodeOnnx } from "../../engine/onnx/model.ts";
import { OnnxNetwork } from "../../engine/onnx/network.ts";
import { fuzz, fuzzJson, text } from "../support/fuzz.ts";
import { matHead, safetensors, tensors, word } from "../support/fuzz_samples.ts";
import { smallFile } from "../support/onnx_network.ts";
import { concat, tar } from "../support/io.ts";
import { dict, int, orderedDict, torchLegacy, torchZip, vector } from "../support/torch_file.ts";

// Weights.

const storages = { 0: Float32Array.of(1, -2, 0.5), 1: Float32Array.of(7, 8) };
const checkpoint = dict({
  epoch: int(3),
  optimizer: dict({ state: dict({}) }),
  state_dict: orderedDict({ a: vector("0", 3), "b.weight": vector("1", 2) }),
});

fuzz("ONNX", [smallFile()], async (bytes) => {
  new OnnxNetwork(await decodeOnnx(bytes, "a")).classes(32);
});
fuzz("safetensors", [safetensors], (bytes) => decodeSafetensors(bytes, "a"));
fuzz(
  "PyTorch's files",
  [
    torchZip(checkpoint, storages),
    torchZip(checkpoint, storages, { deflate: true }),
    torchLegacy(checkpoint, storages),
  ],
  (bytes) => dictsInPth(bytes, "a").forEach((dict) => dict.read()),
);
fuzzJson(
  "an index of weights",
  { metadata: { total_size: 24 }, weight_map: { a: "b.safetensors" } },
  async (path) => (await openWeightsFile(path)).dicts[0].read(),
  { more: { "b.safetensors": safetensors } },
);
fuzz("cases to verify", [encodeSafetensors(
  new Map<string, HostTensor>([
    ["input", { dtype: "F32", shape: [1, 1, 2, 2], data: new Float32Array(4) }],
    ["labels", { dtype: "I64", shape: [1], data: BigInt64Array.of(1n) }],
    ["mask", { dtype: "F32", shape: [2, 3], data: new Float32Array(6) }],
  ]),
  { model: "small", in_channels: "1", num_classes: "2", layer: "features", alpha: "1" },
)], (bytes) => verifyCase(decodeSafetensors(bytes, "a"), "a"));

// Arrays, archives, records.

fuzz("npy", [encodeNpy(tensors.get("a")!)], (bytes) => decodeNpy(bytes, "a"));
const matrix = concat(
  ...[word(6), word(8), [9, 0, 0, 0, 0, 0, 0, 0], word(5), word(8), word(2), word(1)],
  ...[[1, 0, 1, 0], text("X"), [0, 0, 0], [2, 0, 2, 0, 7, 9, 0, 0]],
);
const element = concat(word(14), word(matrix.length), matrix);
const packed = Uint8Array.from(deflateSync(element));
fuzz(
  "mat",
  [concat(matHead, element), concat(matHead, word(15), word(packed.length), packed)],
  (bytes) => readMat(bytes, "a"),
);
fuzz(
  "tar",
  [tar({ "d/": null, "d/a": Uint8Array.of(1, 2, 3), b: new Uint8Array(600) })],
  async (bytes) => {
    for await (const { chunks } of readTar(ReadableStream.from([bytes]), "a")) {
      for await (const _ of chunks());
    }
  },
);
fuzz("tfrecord", [concat(encodeRecord(text("one")), encodeRecord(text("two")))], decodeRecords);
