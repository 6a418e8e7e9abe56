/**
 * The segments of a JPEG file: a marker (0xff and a code), and for most a length and data. The
 * frame says how large the image is and what components it has; tables come before the scans that
 * use them; each scan holds the coefficients of some components, or some bits of them.
 *
 * Source: ITU-T T.81, annex B.
 */
import { HuffmanTable } from "./huffman.ts";

/** What is wrong with a file, for the middle of a message. */
export class JpegError extends Error {}

export interface Component {
  readonly id: number;
  /** Blocks of an MCU across and down. */
  readonly h: number;
  readonly v: number;
  /** Which quantisation table is its own. */
  readonly quantTable: number;
  /** Blocks that hold samples of the image, and blocks that whole MCUs make. */
  readonly blocks: { readonly across: number; readonly down: number };
  readonly padded: { readonly across: number; readonly down: number };
}

export interface Frame {
  readonly height: number;
  readonly width: number;
  readonly progressive: boolean;
  readonly components: readonly Component[];
  /** The largest h and v. */
  readonly hMax: number;
  readonly vMax: number;
  readonly mcus: { readonly across: number; readonly down: number };
}

export interface ScanHeader {
  readonly components: readonly {
    readonly component: Component;
    readonly dc?: HuffmanTable;
    readonly ac?: HuffmanTable;
  }[];
  /** The first and the last coefficient, in zigzag order. */
  readonly first: number;
  readonly last: number;
  /** Bits below which nothing was known before, 0 in a first scan; and is known after. */
  readonly high: number;
  readonly low: number;
  readonly restartInterval: number;
  /** Where its entropy-coded data begins. */
  readonly start: number;
}

/** What is told while a file is walked through. */
export interface Reader {
  frame(frame: Frame): void;
  quantTable(index: number, table: Uint16Array): void;
  /** @returns where the next segment may begin */
  scan(header: ScanHeader): number;
  /** How Adobe's programs say that the colours were transformed: 0 not, 1 YCbCr, 2 YCCK. */
  adobe(transform: number): void;
  /** That the file is JFIF, whose colours are YCbCr. */
  jfif(): void;
}

const START_OF_SCAN = 0xda;
const END_OF_IMAGE = 0xd9;

/** Walks through a file up to its end. @throws JpegError for what is no JPEG or isn't read */
export function walk(bytes: Uint8Array, reader: Reader): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tables = new Tables();
  let frame: Frame | undefined;
  for (let at = 2;;) {
    at = nextMarker(bytes, at);
    const marker = bytes[at++];
    if (marker === END_OF_IMAGE) return;
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue; // without data
    if (at + 2 > bytes.length) throw new JpegError("it ends in the middle of a segment");
    const length = view.getUint16(at);
    if (length < 2 || at + length > bytes.length) {
      throw new JpegError("it ends in the middle of a segment");
    }
    const data = bytes.subarray(at + 2, at + length);
    at += length;
    if (isFrame(marker)) {
      if (frame) throw new JpegError("it holds two frames");
      reader.frame(frame = readFrame(marker, data));
    } else if (marker === START_OF_SCAN) {
      if (!frame) throw new JpegError("a scan comes before the frame");
      at = reader.scan(tables.scan(data, frame, at));
    } else tables.read(marker, data, reader);
  }
}

/** Where the code of the next marker is; what is no marker is passed over. */
function nextMarker(bytes: Uint8Array, from: number): number {
  for (let at = from;;) {
    at = bytes.indexOf(0xff, at) + 1;
    if (at === 0 || at >= bytes.length) throw new JpegError("its end is missing");
    if (bytes[at] !== 0 && bytes[at] !== 0xff) return at;
  }
}

/** SOF0 to SOF15, without the tables DHT and DAC and the extension JPG among them. */
export const isFrame = (marker: number) =>
  marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

function readFrame(marker: number, data: Uint8Array): Frame {
  if (marker > 0xc2) {
    throw new JpegError(
      `it is of the kind SOF${
        marker - 0xc0
      } (lossless, hierarchical or arithmetic), which isn't read`,
    );
  }
  const [precision, , , , , count] = data;
  if (precision !== 8) throw new JpegError(`it has ${precision} bits a sample; 8 are read`);
  if (![1, 3, 4].includes(count) || data.length !== 6 + 3 * count) {
    throw new JpegError(`it has ${count} components; 1, 3 or 4 are read`);
  }
  const [height, width] = [data[1] << 8 | data[2], data[3] << 8 | data[4]];
  const stated = Array.from({ length: count }, (_, i) => {
    const [id, sampling, quantTable] = data.subarray(6 + 3 * i);
    return { id, h: sampling >> 4, v: sampling & 15, quantTable };
  });
  const allowed = (n: number) => n >= 1 && n <= 4;
  if (!stated.every(({ h, v }) => allowed(h) && allowed(v))) {
    throw new JpegError("its components are sampled impossibly");
  }
  if (new Set(stated.map(({ id }) => id)).size < count) {
    throw new JpegError("two components have one name");
  }
  const [hMax, vMax] = [Math.max(...stated.map((c) => c.h)), Math.max(...stated.map((c) => c.v))];
  const mcus = { across: Math.ceil(width / (8 * hMax)), down: Math.ceil(height / (8 * vMax)) };
  const components = stated.map((component): Component => {
    const { h, v } = component;
    const blocks = (size: number, own: number, most: number) =>
      Math.ceil(Math.ceil(size * own / most) / 8);
    return {
      ...component,
      blocks: { across: blocks(width, h, hMax), down: blocks(height, v, vMax) },
      padded: { across: mcus.across * h, down: mcus.down * v },
    };
  });
  return { height, width, progressive: marker === 0xc2, components, hMax, vMax, mcus };
}

/** The tables that were defined so far. */
class Tables {
  private readonly huffman = new Map<number, HuffmanTable>();
  private restartInterval = 0;

  read(marker: number, data: Uint8Array, reader: Reader): void {
    const text = (length: number) => String.fromCharCode(...data.subarray(0, length));
    if (marker === 0xdb) this.quantTables(data, reader);
    else if (marker === 0xc4) this.huffmanTables(data);
    else if (marker === 0xdd && data.length >= 2) this.restartInterval = data[0] << 8 | data[1];
    else if (marker === 0xe0 && text(4) === "JFIF") reader.jfif();
    else if (marker === 0xee && text(5) === "Adobe" && data.length >= 12) reader.adobe(data[11]);
    else if (marker === 0xcc) throw new JpegError("it is coded arithmetically, which isn't read");
    else if (marker === 0xdc) throw new JpegError("its height comes after its image");
  }

  private quantTables(data: Uint8Array, reader: Reader): void {
    for (let at = 0; at < data.length;) {
      const [wide, index] = [data[at] >> 4, data[at] & 15];
      const bytes = wide ? 2 : 1;
      if (at + 1 + 64 * bytes > data.length) throw new JpegError("a quantisation table is cut off");
      const from = at + 1;
      reader.quantTable(
        index,
        Uint16Array.from(
          { length: 64 },
          (_, k) => wide ? data[from + 2 * k] << 8 | data[from + 2 * k + 1] : data[from + k],
        ),
      );
      at += 1 + 64 * bytes;
    }
  }

  private huffmanTables(data: Uint8Array): void {
    for (let at = 0; at < data.length;) {
      const counts = data.subarray(at + 1, at + 17);
      const total = counts.reduce((sum, n) => sum + n, 0);
      if (counts.length < 16 || at + 17 + total > data.length) {
        throw new JpegError("a Huffman table is cut off");
      }
      const table = HuffmanTable.make(counts, data.subarray(at + 17, at + 17 + total));
      if (!table) throw new JpegError("a Huffman table has more codes than there are");
      this.huffman.set(data[at], table);
      at += 17 + total;
    }
  }

  scan(data: Uint8Array, frame: Frame, start: number): ScanHeader {
    const count = data[0];
    if (!(count >= 1 && count <= 4) || data.length !== 4 + 2 * count) {
      throw new JpegError("the head of a scan is damaged");
    }
    const [first, last, bits] = data.subarray(1 + 2 * count);
    const components = Array.from({ length: count }, (_, i) => {
      const [id, tables] = data.subarray(1 + 2 * i);
      const component = frame.components.find((c) => c.id === id);
      if (!component) throw new JpegError(`a scan is of a component ${id} that isn't there`);
      const [dc, ac] = [this.huffman.get(tables >> 4), this.huffman.get(0x10 | tables & 15)];
      return { component, dc, ac };
    });
    const [high, low] = [bits >> 4, bits & 15];
    const { restartInterval } = this;
    const header = { components, first, last, high, low, restartInterval, start };
    checkScan(header, frame);
    return header;
  }
}

function checkScan(scan: ScanHeader, frame: Frame): void {
  const { components, first, last, high, low } = scan;
  const possible = frame.progressive
    ? last <= 63 && first <= last && low <= 13 &&
      (first === 0 ? last === 0 : components.length === 1)
    : first === 0 && last === 63 && high === 0 && low === 0;
  const distinct = new Set(components.map(({ component }) => component)).size;
  if (!possible || distinct < components.length) throw new JpegError("a scan is impossible");
  const needs = {
    dc: first === 0 && high === 0,
    ac: last > 0,
  };
  for (const { dc, ac } of components) {
    if ((needs.dc && !dc) || (needs.ac && !ac)) throw new JpegError("a scan lacks a Huffman table");
  }
}
