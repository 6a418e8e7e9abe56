/**
 * Makes a call of WebGPU fail from the n-th time on: GPU_FAULT is "GPUQueue.submit 20". It is
 * loaded before the program.
 */
const [call, from] = Deno.env.get("GPU_FAULT")!.split(" ");
const [owner, method] = call.split(".");
// deno-lint-ignore no-explicit-any
const { prototype } = (globalThis as any)[owner];
const original = prototype[method];
let calls = 0;
prototype[method] = function (...args: unknown[]) {
  if (++calls < Number(from)) return original.apply(this, args);
  throw new DOMException("injected", "OperationError");
};
