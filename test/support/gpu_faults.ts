/**
 * Makes a call of WebGPU fail from the n-th time on: GPU_FAULT is "GPUQueue.submit 20". With "lost"
 * behind it the call works, on a device that is lost. It is loaded before the program.
 */
const [call, from, lost] = Deno.env.get("GPU_FAULT")!.split(" ");
const [owner, method] = call.split(".");
const { requestDevice } = GPUAdapter.prototype;
let device: GPUDevice | undefined;
GPUAdapter.prototype.requestDevice = async function (descriptor) {
  return device = await requestDevice.call(this, descriptor);
};
// deno-lint-ignore no-explicit-any
const { prototype } = (globalThis as any)[owner];
const original = prototype[method];
let calls = 0;
prototype[method] = function (...args: unknown[]) {
  if (++calls < Number(from)) return original.apply(this, args);
  if (!lost) throw new DOMException("injected", "OperationError");
  device?.destroy();
  return original.apply(this, args);
};
