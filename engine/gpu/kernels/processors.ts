/**
 * GPUs by vendor and architecture: what the rules that choose kernels want to know of one and WebGPU
 * does not tell. A processor is what NVIDIA calls a streaming multiprocessor, AMD a compute unit,
 * Intel an Xe core, Apple and Arm a core. Where a row holds many devices, its size is one from the
 * middle; the tuner measures on top of all this.
 */

export interface Processor {
  /** Threads that it holds at a time, and 32-bit registers that they share. */
  readonly threads: number;
  readonly registers: number;
  /** Registers that a thread may have before the compiler keeps values in memory. */
  readonly threadRegisters: number;
}

export interface GpuKind extends Processor {
  readonly name: string;
  /** A device of this kind by its vendor, architecture and name, as platforms tell them. */
  readonly looks: RegExp;
  /** Processors of a device, where the machine does not tell. */
  readonly processors: number;
  /** 10^12 float32 operations and bytes of memory a second of such a device. */
  readonly teraflops: number;
  readonly terabytes: number;
  /** Where the numbers come from. */
  readonly source: string;
}

/** The first row that a device looks like is its kind; the last is for all others. */
export const GPU_KINDS: readonly GpuKind[] = [
  {
    name: "NVIDIA, data centre",
    looks: /nvidia.*\b([abh]\d00|gh200|gb\d00|v100|hopper|blackwell)/i,
    ...{ threads: 2048, registers: 1 << 16, threadRegisters: 255 },
    ...{ processors: 132, teraflops: 60, terabytes: 4 },
    source: "CUDA C++ Programming Guide, compute capability 9.0; the H200's data sheet, of whose " +
      "67 and 4.8 this is what kernels see",
  },
  {
    name: "NVIDIA, Turing and before",
    looks: /nvidia.*(turing|pascal|volta|maxwell|rtx 20\d0|gtx|tesla (t4|p)|\bt4\b|quadro)/i,
    ...{ threads: 1024, registers: 1 << 16, threadRegisters: 255 },
    ...{ processors: 36, teraflops: 7.5, terabytes: 0.45 },
    source: "CUDA C++ Programming Guide, compute capability 7.5; GeForce RTX 2070",
  },
  {
    name: "NVIDIA",
    looks: /nvidia|geforce/i,
    ...{ threads: 1536, registers: 1 << 16, threadRegisters: 255 },
    ...{ processors: 46, teraflops: 29, terabytes: 0.5 },
    source: "CUDA C++ Programming Guide, compute capabilities 8.6 and 8.9; GeForce RTX 4070",
  },
  {
    name: "AMD, CDNA",
    looks: /amd.*(cdna|instinct|gfx9[0-5][0-9a]\b|\bmi\d{2,3})/i,
    ...{ threads: 2048, registers: 1 << 17, threadRegisters: 256 },
    ...{ processors: 304, teraflops: 82, terabytes: 5.3 },
    source: "CDNA 3 instruction set: 512 registers a lane, half of them for matrices alone; MI300X",
  },
  {
    name: "AMD, RDNA 3 and later",
    looks: /amd.*(rdna-?[3-9]|gfx1[1-9]|navi[34]|phoenix|strix|rx [79]\d{3}\b.*(?<!navi\d\d))/i,
    ...{ threads: 1024, registers: 3 << 15, threadRegisters: 256 },
    ...{ processors: 60, teraflops: 19, terabytes: 0.62 },
    source:
      "RDNA 3 instruction set, 1,536 registers of 32 lanes in each of two units; by Mesa 25.0.7 " +
      "8 x 8 sums take 120 to 216 on Navi31 and GFX1201, without spills (by Mesa 22.3 they " +
      "spilled 7 to 73); Radeon RX 7800 XT without dual issue",
  },
  {
    name: "AMD, GCN",
    looks: /amd.*(gcn|vega|gfx[6-9]\d\d\b|polaris|raven|renoir|cezanne|lucienne)/i,
    ...{ threads: 2560, registers: 1 << 16, threadRegisters: 128 },
    ...{ processors: 56, teraflops: 10.5, terabytes: 0.41 },
    source: "Vega instruction set: 256 registers a lane, and a single wave where all are taken; " +
      "Radeon RX Vega 56",
  },
  {
    name: "AMD",
    looks: /amd|radeon/i,
    ...{ threads: 1024, registers: 1 << 16, threadRegisters: 256 },
    ...{ processors: 40, teraflops: 13, terabytes: 0.38 },
    source:
      "RDNA 2 instruction set, 1,024 registers of 32 lanes in each of two units; 8 x 8 sums " +
      "take 120 to 216 on Navi21 without spills, by Mesa 25.0.7; Radeon RX 6700 XT",
  },
  {
    name: "Intel, Arc",
    looks: /intel.*(xe-[23]?hp|\b[ab]\d{3}m?\b|dg2|bmg)/i,
    ...{ threads: 1024, registers: 1 << 17, threadRegisters: 128 },
    ...{ processors: 32, teraflops: 17, terabytes: 0.56 },
    source: "Xe-HPG: 16 engines of 8 threads with 128 registers of 8 lanes; Arc A770",
  },
  {
    name: "Intel",
    looks: /intel/i,
    ...{ threads: 1024, registers: 1 << 17, threadRegisters: 128 },
    ...{ processors: 6, teraflops: 2.2, terabytes: 0.068 },
    source: "Xe-LP: 16 units of 7 threads with 128 registers of 8 lanes; Iris Xe of 96 units",
  },
  {
    name: "Apple",
    looks: /apple/i,
    ...{ threads: 1024, registers: 52 << 10, threadRegisters: 128 },
    ...{ processors: 10, teraflops: 3.6, terabytes: 0.1 },
    source:
      "not published; metal-benchmarks (P. Turner) found 208 KiB of registers a core; Apple M2",
  },
  {
    name: "Qualcomm and Arm",
    looks: /qualcomm|adreno|\barm\b|mali|immortalis/i,
    ...{ threads: 1024, registers: 1 << 15, threadRegisters: 64 },
    ...{ processors: 10, teraflops: 2, terabytes: 0.06 },
    source:
      "Arm GPU Best Practices, Valhall: 32 registers at all threads, 64 at half; Adreno's are " +
      "not published",
  },
  {
    name: "unknown",
    looks: /(?:)/,
    ...{ threads: 1024, registers: 1 << 15, threadRegisters: 96 },
    ...{ processors: 16, teraflops: 5, terabytes: 0.2 },
    source: "careful: fewer registers than any desktop GPU has",
  },
];

/** What an adapter says of itself. */
export interface Looks {
  readonly vendor: string;
  readonly architecture: string;
  readonly name: string;
}

export function gpuKind({ vendor, architecture, name }: Looks): GpuKind {
  const text = `${vendor} ${architecture} ${name}`;
  return GPU_KINDS.find(({ looks }) => looks.test(text))!;
}

/** Of their peaks, what kernels come to: of operations, and of bytes. */
const OPERATIONS_SHARE = 2 / 3;
export const BYTES_SHARE = 4 / 5;

/** What it costs to write a value and to read it again, in multiply-adds. */
export function moveCost({ teraflops, terabytes }: GpuKind): number {
  const multiplyAdds = OPERATIONS_SHARE * teraflops / 2;
  return 8 / (BYTES_SHARE * terabytes) * multiplyAdds;
}
