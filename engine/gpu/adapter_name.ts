/** What an adapter is called, as WebGPU tells it and as the machine around it may tell besides. */

/** An adapter as a person wants it named. */
export interface AdapterName {
  /** The device: "llvmpipe (LLVM 15.0.6, 256 bits)". */
  readonly name: string;
  /** "NVIDIA", "Mesa" or the PCI number where it is not known. */
  readonly vendor: string;
  /** The GPU's generation, where the platform tells it; else "". */
  readonly architecture: string;
  /** WebGPU's own word for a software adapter. */
  readonly isFallback: boolean;
  /** Which of the platform's interfaces was asked for; "" means that the platform chose. */
  readonly backend: string;
}

/** What WebGPU does not tell of an adapter. */
export interface AdapterFacts {
  /** Bytes of memory that were free when it was opened. */
  readonly memory?: number;
  /** Multiprocessors, or what the vendor calls so. */
  readonly processors?: number;
  /** The driver and its version. */
  readonly driver?: string;
  /** Its address on the PCI bus. */
  readonly pci?: string;
}

/** PCI vendors, the form in which Vulkan tells them. */
const vendors: Readonly<Record<string, string>> = {
  "4098": "AMD",
  "4203": "Apple",
  "4318": "NVIDIA",
  "5045": "ARM",
  "5140": "Microsoft",
  "6880": "Google",
  "20803": "Qualcomm",
  "32902": "Intel",
  "65541": "Mesa",
};

export function nameOf(info: GPUAdapterInfo, backend = ""): AdapterName {
  const vendor = vendors[info.vendor] ?? info.vendor;
  // A browser tells no more than vendor and architecture.
  const family = `${vendor} ${info.architecture}`.trim();
  return {
    name: info.description || info.device || family || "unnamed adapter",
    vendor,
    architecture: info.architecture,
    isFallback: info.isFallbackAdapter,
    backend,
  };
}

/** Whether the adapter computes on the CPU. */
export const computesOnCpu = ({ isFallbackAdapter, description }: GPUAdapterInfo): boolean =>
  isFallbackAdapter || /llvmpipe|swiftshader|basic render/i.test(description);

/** An adapter's name as a part of a file's: "nvidia-h200". */
export const slug = (name: string): string =>
  name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
