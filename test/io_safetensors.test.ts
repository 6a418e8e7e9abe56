/** safetensors: what is written is read back, Python's file is read, and no wrong file is taken. */
import assert from "node:assert/strict";
import { ExitCode, UserError } from "../engine/errors.ts";
import { decodeSafetensors, encodeSafetensors } from "../engine/io/safetensors.ts";
import type { HostTensor } from "../engine/io/host_tensor.ts";

/** A file with the header given, as text or as the value it is the JSON of, and bytes of data. */
function file(header: unknown, data: number[] = [], stated?: number): Uint8Array<ArrayBuffer> {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  const encoded = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + encoded.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(stated ?? encoded.length), true);
  bytes.set(encoded, 8);
  bytes.set(data, 8 + encoded.length);
  return bytes;
}

const tensors = new Map<string, HostTensor>([
  ["flag", { dtype: "BOOL", shape: [3], data: Uint8Array.of(1, 0, 1) }],
  ["conv.weight", { dtype: "F32", shape: [2, 2], data: Float32Array.of(1.5, -0, 3e-39, NaN) }],
  ["steps", { dtype: "I64", shape: [], data: BigInt64Array.of(-(2n ** 62n)) }],
  ["double", { dtype: "F64", shape: [1], data: Float64Array.of(Math.PI) }],
  ["index", { dtype: "I32", shape: [2], data: Int32Array.of(-1, 7) }],
  ["word", { dtype: "U32", shape: [1], data: Uint32Array.of(0xffffffff) }],
  ["bytes", { dtype: "U8", shape: [1, 1, 1], data: Uint8Array.of(255) }],
  ["none", { dtype: "F32", shape: [0, 4], data: new Float32Array(0) }],
]);

Deno.test("safetensors: every dtype, order and metadata survive a round trip", () => {
  const metadata = { format: "pt", note: 'quotes " and ümlauts' };
  const bytes = encodeSafetensors(tensors, metadata);
  const decoded = decodeSafetensors(bytes, "x");
  assert.deepEqual(decoded.metadata, metadata);
  assert.deepEqual([...decoded.tensors], [...tensors]);
  assert.deepEqual(encodeSafetensors(decoded.tensors, decoded.metadata), bytes);
});

Deno.test("safetensors: every tensor's data is aligned to its element", () => {
  const bytes = encodeSafetensors(tensors);
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  assert.equal(length % 8, 0);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  for (const [name, { data }] of tensors) {
    assert.equal(header[name].data_offsets[0] % data.BYTES_PER_ELEMENT, 0, name);
  }
});

/** Made by Python's safetensors 0.8, save({a: F16, b: BF16, c: I64}, {"by": "python"}). */
const pythonFile = [
  "c8000000000000007b225f5f6d657461646174615f5f223a7b226279223a22707974686f6e227d2c",
  "2263223a7b226474797065223a22493634222c227368617065223a5b315d2c22646174615f6f6666",
  "73657473223a5b302c385d7d2c2262223a7b226474797065223a2242463136222c22736861706522",
  "3a5b325d2c22646174615f6f666673657473223a5b382c31325d7d2c2261223a7b22647479706522",
  "3a22463136222c227368617065223a5b335d2c22646174615f6f666673657473223a5b31322c3138",
  "5d7d7d20202020200700000000000000c03f40c0003800c0ff7b",
].join("");

Deno.test("safetensors: reads a file made by Python's safetensors, F16 and BF16 widened", () => {
  const python = Uint8Array.fromHex(pythonFile);
  const { tensors, metadata } = decodeSafetensors(python, "python");
  assert.deepEqual(metadata, { by: "python" });
  assert.deepEqual(tensors.get("a"), {
    dtype: "F32",
    shape: [3],
    data: Float32Array.of(0.5, -2, 65504),
  });
  assert.deepEqual(tensors.get("b"), { dtype: "F32", shape: [2], data: Float32Array.of(1.5, -3) });
  assert.deepEqual(tensors.get("c"), { dtype: "I64", shape: [1], data: BigInt64Array.of(7n) });
});

Deno.test("safetensors: decoding a view into a larger buffer", () => {
  const bytes = encodeSafetensors(tensors);
  const larger = new Uint8Array(bytes.length + 3);
  larger.set(bytes, 3);
  assert.deepEqual([...decodeSafetensors(larger.subarray(3), "x").tensors], [...tensors]);
});

const f32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});
const eight = [0, 0, 0, 0, 0, 0, 0, 0];

const wrong: [string, Uint8Array, RegExp][] = [
  ["no header", new Uint8Array(5), /5 bytes, too few/],
  ["a header longer than the file", file({}, [], 1000), /header of 1000 bytes, but only 2 follow/],
  ["an absurd header length", file({}, [], 2 ** 40), /header of 1099511627776 bytes/],
  ["a header that is not JSON", file("{oops}"), /not JSON/],
  ["a header that is not UTF-8", file("{}\u0000", [], 2).fill(0xff, 8, 10), /not JSON/],
  ["a header that is an array", file("[]"), /not a JSON object/],
  ["metadata that is not text", file({ __metadata__: { a: 1 } }), /__metadata__/],
  [
    "a name twice",
    file(`{"w":${JSON.stringify(f32(0, 8))},"\\u0077" :${JSON.stringify(f32(0, 8))}}`, eight),
    /"w" twice/,
  ],
  ["an unknown dtype", file({ w: { ...f32(0, 8), dtype: "F8_E4M3" } }, eight), /w.*F8_E4M3.*F32/],
  ["a dtype that is an object's property", file({ w: { ...f32(0, 8), dtype: "toString" } }), /w: /],
  ["no dtype", file({ w: { shape: [2], data_offsets: [0, 8] } }, eight), /w: .*dtype/],
  ["a negative size", file({ w: f32(0, 8, [-2]) }, eight), /w: .*shape is \[-2\]/],
  ["a fractional size", file({ w: f32(0, 8, [1.5]) }, eight), /w: .*shape/],
  ["bytes that don't fit the shape", file({ w: f32(0, 8, [3]) }, eight), /w: .*12 bytes.*span 8/],
  ["a range backwards", file({ w: { ...f32(0, 8), data_offsets: [8, 0] } }, eight), /w: .*\[8,0\]/],
  ["an entry that is no object", file({ w: 3 }), /w: .*not an object/],
  ["truncated data", file({ w: f32(0, 8) }, [1, 2, 3]), /w: .*byte 8.*holds 3 bytes/],
  ["an overlap", file({ v: f32(0, 8), w: f32(4, 8) }, eight), /w: .*overlaps/],
  ["a gap", file({ v: f32(0, 4), w: f32(8, 12) }, [...eight, ...eight]), /w: .*4 unused bytes/],
  ["bytes left over", file({ w: f32(0, 4) }, eight), /4 bytes follow/],
];

for (const [what, bytes, message] of wrong) {
  Deno.test(`safetensors: refuses ${what}`, () => {
    assert.throws(() => decodeSafetensors(bytes, "net.safetensors"), (error) => {
      assert(error instanceof UserError);
      assert.equal(error.exitCode, ExitCode.weights);
      assert.match(error.message, /^net\.safetensors/);
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("safetensors: refuses to write data that doesn't fit its shape or dtype", () => {
  const encode = (tensor: HostTensor) => encodeSafetensors(new Map([["w", tensor]]));
  assert.throws(() => encode({ dtype: "F32", shape: [3], data: new Float32Array(2) }), /tensor w/);
  assert.throws(() => encode({ dtype: "F32", shape: [2], data: new Int32Array(2) }), /tensor w/);
});

Deno.test("safetensors: headers that are long, deep or full of quotes are read or refused at once", () => {
  const file = (json: string) => {
    const header = new TextEncoder().encode(json);
    const bytes = new Uint8Array(8 + header.length);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
    bytes.set(header, 8);
    return bytes;
  };
  const empty = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';
  const long = "k".repeat(2_000_000);
  assert.deepEqual([...decodeSafetensors(file(`{"${long}":${empty}}`), "a").tensors.keys()], [
    long,
  ]);
  const quoted = decodeSafetensors(file(`{"a\\"{":${empty},"b\\\\" :${empty}}`), "a");
  assert.deepEqual([...quoted.tensors.keys()], ['a"{', "b\\"]);
  const fails = (json: string, message: RegExp) =>
    assert.throws(() => decodeSafetensors(file(json), "a"), { name: "UserError", message });
  fails(`{"a":${empty},"\\u0061":${empty}}`, /holds "a" twice/);
  fails(`${"[".repeat(900_000)}${"]".repeat(900_000)}`, /nested too deep/);
  fails(" ".repeat(3_000_000), /states a header of 3000000 bytes/);
});
