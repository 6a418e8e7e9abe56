/** What of a processor decides how the software adapter is set up. */
import assert from "node:assert/strict";
import { cpuFeatures, gathersQuickly, softwareVariables } from "../engine/host/processor.ts";

const cpuinfo = (vendor: string, flags: string) =>
  `processor\t: 0\nvendor_id\t: ${vendor}\nmodel name\t: some\nflags\t\t: fpu sse ${flags}\n\n` +
  `processor\t: 1\nvendor_id\t: ${vendor}\nflags\t\t: fpu sse ${flags}\n`;

const processors = {
  zen4: cpuFeatures(cpuinfo("AuthenticAMD", "avx2 avx512f avx512dq")),
  zen3: cpuFeatures(cpuinfo("AuthenticAMD", "avx2")),
  xeon: cpuFeatures(cpuinfo("GenuineIntel", "avx2 avx512f")),
  arm: cpuFeatures("processor\t: 0\nFeatures\t: fp asimd\n"),
};

Deno.test("a processor is read from what Linux says of it", () => {
  assert.deepEqual(processors.zen4, { vendor: "AuthenticAMD", avx512: true });
  assert.deepEqual(processors.zen3, { vendor: "AuthenticAMD", avx512: false });
  assert.deepEqual(processors.arm, { vendor: "", avx512: false });
});

Deno.test("buffers are read in place only where gathers are quick", () => {
  const quick = Object.values(processors).filter(gathersQuickly);
  assert.deepEqual(quick, [processors.xeon]);
});

Deno.test("vectors of 512 bits are asked for where they gain, and a user's word stands", () => {
  const wide = (environment: Record<string, string>) =>
    softwareVariables(processors.zen4, environment).LP_NATIVE_VECTOR_WIDTH;
  assert.equal(wide({}), "512");
  for (const other of [processors.zen3, processors.xeon, processors.arm]) {
    assert.deepEqual(softwareVariables(other, {}), {});
  }
  assert.equal(wide({ LP_NATIVE_VECTOR_WIDTH: "128" }), undefined);
});

Deno.test("vectors of 512 bits have flags that tell their compiled kernels from others", () => {
  const flags = (environment: Record<string, string>) =>
    softwareVariables(processors.zen4, environment).GALLIVM_PERF;
  const own = flags({});
  assert.ok(own);
  assert.equal(flags({ GALLIVM_PERF: "nopt" }), `nopt,${own}`);
});
