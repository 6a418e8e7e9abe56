/**
 * The wire format of protocol buffers, as much of it as writing takes: a message is its fields one
 * after the other, each a tag (number of the field and kind of its value) and the value.
 *
 * Source: protobuf.dev/programming-guides/encoding
 */

/** The kinds of values on the wire. */
const Wire = { varint: 0, fixed64: 1, length: 2, fixed32: 5 } as const;

/** A message, or a field of one. */
export type Bytes = readonly number[];

export const message = (...fields: readonly Bytes[]): Bytes => fields.flat();

/** @param value a whole number from 0 on */
export const varint = (field: number, value: number): Bytes => [
  ...tag(field, Wire.varint),
  ...variable(value),
];

export const double = (field: number, value: number): Bytes => [
  ...tag(field, Wire.fixed64),
  ...little(8, (view) => view.setFloat64(0, value, true)),
];

export const float = (field: number, value: number): Bytes => [
  ...tag(field, Wire.fixed32),
  ...little(4, (view) => view.setFloat32(0, value, true)),
];

/** A text, or a message in a message. */
export function bytes(field: number, value: string | Bytes): Bytes {
  const content = typeof value === "string" ? [...new TextEncoder().encode(value)] : value;
  return [...tag(field, Wire.length), ...variable(content.length), ...content];
}

const tag = (field: number, wire: number): Bytes => variable(field * 8 + wire);

/** Seven bits a byte, the lowest first; the eighth says that another follows. */
function variable(value: number): Bytes {
  const out: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) out.push(value % 128 + 128);
  return [...out, value];
}

function little(size: number, set: (view: DataView) => void): Bytes {
  const bytes = new Uint8Array(size);
  set(new DataView(bytes.buffer));
  return [...bytes];
}
