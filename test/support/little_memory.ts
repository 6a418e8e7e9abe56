/**
 * Lets the device have only so many bytes of buffers and textures, so that a software adapter, whose
 * memory is the process's, runs out of it as a GPU does: in the place of what goes beyond them the
 * driver is asked for a buffer of the largest size, while the system gives the process next to nothing
 * more. LITTLE_MEMORY says how many MiB. It is loaded before the program.
 */
const RLIMIT_AS = 9;
/** What other threads may need meanwhile. */
const SPARE = 64 * 2 ** 20;
const { symbols } = Deno.dlopen("libc.so.6", {
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
});

const most = 2 ** 20 * Number(Deno.env.get("LITTLE_MEMORY"));
const held = new Map<GPUBuffer | GPUTexture, number>();
const { createBuffer, createTexture } = GPUDevice.prototype;

GPUDevice.prototype.createBuffer = function (descriptor) {
  return within(this, descriptor.size, () => createBuffer.call(this, descriptor));
};
GPUDevice.prototype.createTexture = function (descriptor) {
  const [width, height = 1, layers = 1] = descriptor.size as number[];
  const bytes = width * height * layers * bytesPerTexel(descriptor.format);
  return within(this, bytes, () => createTexture.call(this, descriptor));
};
for (const { prototype } of [GPUBuffer, GPUTexture]) {
  const { destroy } = prototype;
  prototype.destroy = function () {
    held.delete(this);
    destroy.call(this);
  };
}

function within<T extends GPUBuffer | GPUTexture>(device: GPUDevice, bytes: number, make: () => T) {
  const inAll = held.values().reduce((sum, bytes) => sum + bytes, bytes);
  if (inAll > most) return starved(() => refused(device)) as T;
  const made = make();
  held.set(made, bytes);
  return made;
}

const refused = (device: GPUDevice) =>
  createBuffer.call(device, {
    size: device.limits.maxBufferSize,
    usage: GPUBufferUsage.COPY_DST,
  });

/** What is done while the process can have only `SPARE` more. */
function starved<T>(action: () => T): T {
  const limits = new BigUint64Array(2);
  const bytes = new Uint8Array(limits.buffer);
  if (symbols.getrlimit(RLIMIT_AS, bytes) !== 0) throw new Error("getrlimit failed");
  const [usual] = limits;
  const status = Deno.readTextFileSync("/proc/self/status");
  limits[0] = BigInt(1024 * Number(status.match(/^VmSize:\s+(\d+)/m)![1]) + SPARE);
  if (symbols.setrlimit(RLIMIT_AS, bytes) !== 0) throw new Error("setrlimit failed");
  try {
    return action();
  } finally {
    limits[0] = usual;
    symbols.setrlimit(RLIMIT_AS, bytes);
  }
}

function bytesPerTexel(format: GPUTextureFormat): number {
  const channels = format.match(/^[rgba]+/)![0].length;
  return channels * Number(format.match(/\d+/)![0]) / 8;
}
