/**
 * Dawn's WGSL validator, the one of Chrome: stricter than naga (Deno, Firefox), above all about
 * barriers in control flow that is not uniform. Its null backend needs no GPU and no driver.
 *
 * Reads a JSON array of shaders from stdin and writes one of complaints: null, or what is wrong
 * with the shader or the pipeline made from it (workgroup size, workgroup memory and bindings
 * within the limits that every browser offers).
 */

/** Not named in an import: every `deno task` would download its 51 MB with what deno.lock lists. */
const PACKAGE = "npm:webgpu@0.6.2";

const { create } = await import(PACKAGE);
// Kept to the end: what it made crashes once it is collected.
const gpu: GPU = create(["backend=null"]);
const adapter = await gpu.requestAdapter();
const requiredFeatures = ["subgroups"] as unknown as GPUFeatureName[];
const device = await adapter!.requestDevice({ requiredFeatures });

async function complaint(code: string): Promise<string | null> {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code });
  device.createComputePipeline({ layout: "auto", compute: { module } });
  return (await device.popErrorScope())?.message ?? null;
}

const shaders: string[] = await new Response(Deno.stdin.readable).json();
const complaints: (string | null)[] = [];
for (const code of shaders) complaints.push(await complaint(code));
console.log(JSON.stringify(complaints));
device.destroy();
