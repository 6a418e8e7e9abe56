import assert from "node:assert/strict";
import { ExitCode, UserError } from "../engine/errors.ts";
import type { Gpu } from "../engine/gpu/adapter.ts";
import { BLOCKS, PLAIN, targetFor } from "../engine/gpu/kernels/target.ts";
import { measureRoofline } from "../engine/gpu/roofline.ts";
import { openGpu } from "../engine/host/gpu.ts";
import {
  adapterHint,
  canInstall,
  distributionsOf,
  installCommand,
  type System,
} from "../engine/host/software.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { matmul, transpose, Variable } from "../engine/tensor/mod.ts";

async function withGpu(test: (gpu: Gpu) => void | Promise<void>): Promise<void> {
  const gpu = await openGpu();
  try {
    await test(gpu);
  } finally {
    gpu.destroy();
  }
}

const nextTurn = () => new Promise((resolve) => setTimeout(resolve, 0));
const breakSomething = ({ device }: Gpu) => device.createBuffer({ size: 16, usage: 0 });
const isGpuError = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof UserError);
  assert.equal(error.exitCode, ExitCode.gpu);
  assert.match(error.message, message);
  return true;
};

Deno.test("openGpu: a device with more than the least limits", () =>
  withGpu(({ adapter, device, features, limits, isCpu, check }) => {
    assert.ok(adapter.name.length > 0 && adapter.vendor.length > 0);
    assert.equal(typeof isCpu, "boolean");
    assert.equal(limits.maxBufferSize, device.limits.maxBufferSize);
    assert.ok(limits.maxBufferSize >= 2 ** 28);
    assert.ok(limits.maxComputeInvocationsPerWorkgroup >= 256);
    assert.deepEqual([...features].sort(), [...device.features].sort());
    assert.equal(typeof check, "function");
  }));

Deno.test("check throws the first error that nobody caught, again and again", () =>
  withGpu(async (gpu) => {
    gpu.check();
    breakSomething(gpu);
    gpu.device.createBuffer({
      size: 16,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.MAP_WRITE,
    });
    await nextTurn();
    for (let i = 0; i < 2; i++) {
      assert.throws(() => gpu.check(), isGpuError(/^the GPU reported an error: .*usage/i));
    }
    isGpuError(/usage/i)(await gpu.failure);
  }));

Deno.test("scoped names the operation, and what it caught is not pending", () =>
  withGpu(async (gpu) => {
    const code = "@compute @workgroup_size(1) fn main() { let x: f32 = 1u; }";
    const compile = () => gpu.device.createShaderModule({ code });
    await assert.rejects(
      gpu.scoped("conv2d 3x3 of [1, 8, 4, 4]", compile),
      isGpuError(/^the GPU reported an error at conv2d 3x3 of \[1, 8, 4, 4\]: .*(\n|.)*f32/),
    );
    await nextTurn();
    gpu.check();
  }));

Deno.test("scoped returns what was made, and passes on what was thrown", () =>
  withGpu(async (gpu) => {
    const buffer = await gpu.scoped(
      "a buffer",
      () => gpu.device.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE }),
    );
    assert.equal(buffer.size, 16);
    const own = new UserError("its own", ExitCode.method);
    await assert.rejects(
      gpu.scoped("x", () => {
        throw own;
      }),
      (error) => error === own,
    );
    await assert.rejects(
      gpu.scoped("y", () => {
        throw new TypeError("a wrong argument");
      }),
      isGpuError(/at y: a wrong argument/),
    );
    // The scopes are closed: an error outside of them is pending again.
    breakSomething(gpu);
    await nextTurn();
    assert.throws(() => gpu.check());
  }));

Deno.test("scopes that overlap in time keep their errors apart", () =>
  withGpu(async (gpu) => {
    const [good, bad] = await Promise.allSettled([
      gpu.scoped("good", () => 1),
      gpu.scoped("bad", () => breakSomething(gpu)),
    ]);
    assert.deepEqual(good, { status: "fulfilled", value: 1 });
    assert.ok(bad.status === "rejected" && isGpuError(/at bad/)(bad.reason));
  }));

Deno.test("a lost device is an error, a destroyed one is not", async () => {
  const lost = await openGpu();
  lost.device.destroy(); // not by the Gpu: as a loss looks
  isGpuError(/device was lost/)(await lost.failure);
  assert.throws(() => lost.check(), isGpuError(/device was lost/));

  const destroyed = await openGpu();
  destroyed.destroy();
  await nextTurn();
  destroyed.check();
});

Deno.test("a shader with the device's directives may use subgroups, where there are any", () =>
  withGpu(async (gpu) => {
    const { device, features, directives } = gpu;
    const call = features.has("subgroups") ? "subgroupAny(true)" : "true";
    const code = `${directives}@compute @workgroup_size(1) fn main() { let x = ${call}; }`;
    await gpu.scoped("subgroups", () => device.createShaderModule({ code }));
  }));

Deno.test("every shader begins with what the platform wants of it", () =>
  withGpu(async (gpu) => {
    const texts: string[] = [];
    const { device } = gpu;
    const create = device.createShaderModule;
    device.createShaderModule = (descriptor) => {
      texts.push(descriptor.code);
      return create.call(device, descriptor);
    };
    Object.defineProperty(gpu, "directives", { value: "const WANTED = 1;\n" });
    const runtime = new Runtime(gpu);
    const x = new Variable("x", [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
    await runtime.evaluate([matmul(x, transpose(x))]);
    if (gpu.features.has("timestamp-query")) await measureRoofline(gpu);
    assert.ok(texts.length > 0);
    for (const text of texts) assert.ok(text.startsWith("const WANTED = 1;\n"), text);
  }));

Deno.test("MODEL_DOCTOR_TARGET decides over the kernels, and refuses a name that it doesn't know", async () => {
  const before = Deno.env.get("MODEL_DOCTOR_TARGET");
  const targetOf = async (name: string) => {
    Deno.env.set("MODEL_DOCTOR_TARGET", name);
    const gpu = await openGpu();
    gpu.destroy();
    return targetFor(gpu);
  };
  try {
    assert.deepEqual(await targetOf("gpu"), BLOCKS);
    assert.deepEqual(await targetOf("plain"), PLAIN);
    assert.deepEqual(await targetOf(""), await targetOf("adapter"));
    await assert.rejects(targetOf("gpus"), (error) => {
      assert.ok(error instanceof UserError && error.exitCode === ExitCode.usage);
      assert.match(error.message, /MODEL_DOCTOR_TARGET is "gpus"/);
      return true;
    });
  } finally {
    if (before === undefined) Deno.env.delete("MODEL_DOCTOR_TARGET");
    else Deno.env.set("MODEL_DOCTOR_TARGET", before);
  }
});

const system = (changes: Partial<System> = {}): System => ({
  os: "linux",
  distributions: ["debian"],
  isRoot: true,
  environment: { DENO_WEBGPU_BACKEND: "vulkan" },
  ...changes,
});

Deno.test("distributionsOf reads os-release", () => {
  const ubuntu = 'PRETTY_NAME="Ubuntu 24.04"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n';
  assert.deepEqual(distributionsOf(ubuntu), ["ubuntu", "debian"]);
  assert.deepEqual(distributionsOf('ID="rocky"\nID_LIKE="rhel centos fedora"'), [
    ...["rocky", "rhel", "centos", "fedora"],
  ]);
  assert.deepEqual(distributionsOf(""), []);
});

Deno.test("installCommand: the exact command for the system at hand", () => {
  const command = (distributions: string[], isRoot = true) =>
    installCommand(system({ distributions, isRoot }));
  assert.equal(
    command(["debian"], false),
    "sudo apt-get update && sudo apt-get install -y --no-install-recommends " +
      "mesa-vulkan-drivers libvulkan1",
  );
  assert.doesNotMatch(command(["linuxmint", "ubuntu", "debian"])!, /sudo/);
  assert.match(command(["rocky", "rhel", "fedora"], false)!, /^sudo dnf install .*mesa-vulkan/);
  assert.match(command(["manjaro", "arch"])!, /^pacman .*vulkan-swrast/);
  assert.match(command(["alpine"])!, /^apk add mesa-vulkan-swrast/);
  assert.match(command(["opensuse-leap", "suse", "opensuse"])!, /^zypper .*libvulkan_lvp/);
  assert.equal(command(["plan9"]), undefined);
  assert.equal(installCommand(system({ os: "darwin" })), undefined);
});

Deno.test("canInstall: only as root on Debian and its descendants, and only if nothing was chosen", () => {
  const given = (environment: Record<string, string>) =>
    canInstall(system({ environment: { DENO_WEBGPU_BACKEND: "vulkan", ...environment } }));
  assert.equal(given({}), true);
  assert.equal(given({ MODEL_DOCTOR_NO_INSTALL: "1" }), false);
  assert.equal(given({ DENO_WEBGPU_BACKEND: "metal" }), false);
  assert.equal(given({ DENO_WEBGPU_BACKEND: "gl,vulkan" }), true);
  assert.equal(given({ VK_ICD_FILENAMES: "a.json" }), false);
  assert.equal(given({ VK_DRIVER_FILES: "a.json" }), false);
  assert.equal(canInstall(system({ isRoot: false })), false);
  assert.equal(canInstall(system({ distributions: ["fedora"] })), false);
  assert.equal(canInstall(system({ os: "windows", distributions: [] })), false);
});

Deno.test("adapterHint: what to do on each system", () => {
  assert.match(adapterHint(system({ isRoot: false })), /: sudo apt-get update && /);
  assert.match(adapterHint(system({ distributions: [] })), /lavapipe.*libvulkan\.so\.1/);
  assert.match(adapterHint(system({ os: "darwin", environment: {} })), /Metal/);
  assert.match(adapterHint(system({ os: "windows", environment: {} })), /WARP/);
  const metal = system({ environment: { DENO_WEBGPU_BACKEND: "metal" } });
  assert.match(adapterHint(metal), /DENO_WEBGPU_BACKEND=metal .*unset it/);
});
