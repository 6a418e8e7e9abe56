/**
 * WebGPU tells of most mistakes by events, but its calls can throw as well: where a driver fails,
 * where memory is short, where the device is gone. What they throw differs by platform and names
 * no object. Here a device is made to throw errors of one kind, which name the call and the object.
 */

/** Turns what a call threw into an error that can be shown; `call` is "createBuffer weights". */
type Explain = (error: unknown, call: string) => Error;

/** The calls that can throw though their arguments are right. */
const deviceCalls = [
  "createBuffer",
  "createTexture",
  "createShaderModule",
  "createComputePipeline",
  "createBindGroup",
  "createQuerySet",
  "createCommandEncoder",
  "popErrorScope",
];
const queueCalls = ["submit", "writeBuffer", "writeTexture", "onSubmittedWorkDone"];
/** Of what the device makes, by the call that makes it. */
const callsOfMade: Readonly<Record<string, readonly string[]>> = {
  createBuffer: ["mapAsync", "getMappedRange"],
  createCommandEncoder: ["beginComputePass", "finish"],
};

/** When the events of what went wrong have arrived, the loss of the device among them. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Makes the device, its queue and what it makes throw `explain`'s errors. */
export function guardDevice(device: GPUDevice, explain: Explain): void {
  guard(device, deviceCalls, explain);
  guard(device.queue, queueCalls, explain);
}

function guard(target: object, calls: readonly string[], explain: Explain, label = ""): void {
  for (const call of calls) {
    const told = (error: unknown, of = label) => explain(error, of ? `${call} ${of}` : call);
    const value = (...args: { label?: string }[]) => {
      const of = label || args[0]?.label;
      try {
        const made = Object.getPrototypeOf(target)[call].apply(target, args);
        if (made instanceof Promise) {
          return made.catch((error) => nextTurn().then(() => Promise.reject(told(error, of))));
        }
        if (callsOfMade[call]) guard(made, callsOfMade[call], explain, of);
        return made;
      } catch (error) {
        throw told(error, of);
      }
    };
    Object.defineProperty(target, call, { value, configurable: true, writable: true });
  }
}
