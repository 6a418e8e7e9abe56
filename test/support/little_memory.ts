/**
 * Lets the process have only so many bytes more than it has when its device is made, so that a
 * software adapter runs out of memory as a GPU does. LITTLE_MEMORY says how many MiB. It is loaded
 * before the program.
 */
const RLIMIT_AS = 9;
const { symbols } = Deno.dlopen("libc.so.6", {
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
});
const { requestDevice } = GPUAdapter.prototype;
GPUAdapter.prototype.requestDevice = async function (descriptor) {
  const device = await requestDevice.call(this, descriptor);
  const status = Deno.readTextFileSync("/proc/self/status");
  const used = 1024 * Number(status.match(/^VmSize:\s+(\d+)/m)![1]);
  const limit = BigInt(used + 2 ** 20 * Number(Deno.env.get("LITTLE_MEMORY")));
  const limits = new Uint8Array(BigUint64Array.of(limit, limit).buffer);
  if (symbols.setrlimit(RLIMIT_AS, limits) !== 0) throw new Error("setrlimit failed");
  return device;
};
