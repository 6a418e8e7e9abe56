/** What a certificate holds for: the machine, its driver, this program, and what was asked. */

import { fileURLToPath } from "node:url";
import project from "../../deno.json" with { type: "json" };
import type { Certificate } from "../../engine/certify/certificate.ts";
import type { Gpu } from "../../engine/gpu/adapter.ts";
import { tuningKey } from "../../engine/host/tuning.ts";
import { showBytes } from "../../engine/plan/buffers.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export async function subjectOf(
  gpu: Gpu,
  { batch, width }: { readonly batch: number; readonly width: number },
): Promise<Certificate["subject"]> {
  const { driver, deno } = await tuningKey(gpu);
  const commit = await said("git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=10");
  return {
    ...{ adapter: gpu.adapter.name, vendor: gpu.adapter.vendor, driver, deno },
    program: ["Model Doctor", project.version, commit].filter((part) => part).join(" "),
    ...{ batch, width },
  };
}

export async function machineOf(gpu: Gpu): Promise<Certificate["machine"]> {
  const { adapter, isCpu, facts, features, limits, subgroupSize } = gpu;
  return {
    system: `${Deno.build.os} ${Deno.build.arch}, ${navigator.hardwareConcurrency} cores`,
    clocks: isCpu ? undefined : await clocks(facts.pci),
    facts: {
      kind: isCpu ? "software, computes on the CPU" : "GPU",
      backend: adapter.backend || "the platform's choice",
      ...adapter.architecture && { architecture: adapter.architecture },
      ...facts.memory !== undefined && { "free memory": showBytes(facts.memory) },
      ...facts.processors !== undefined && { processors: facts.processors },
      ...facts.pci !== undefined && { PCI: facts.pci },
      "subgroup size": subgroupSize,
    },
    features: [...features].sort(),
    limits: Object.fromEntries(Object.entries(limits).sort(([a], [b]) => a < b ? -1 : 1)),
  };
}

const CLOCKS = ["clocks.sm", "clocks.max.sm", "clocks.mem", "power.limit", "temperature.gpu"];

/** As NVIDIA's driver tells them, idle: "clocks.sm 345 MHz, ..."; undefined where it is not asked. */
async function clocks(pci: string | undefined): Promise<string | undefined> {
  const which = pci === undefined ? [] : [`--id=${pci}`];
  const query = [`--query-gpu=${CLOCKS}`, "--format=csv,noheader"];
  const line = (await said("nvidia-smi", ...which, ...query))?.split("\n")[0];
  return line?.split(", ").map((value, i) => `${CLOCKS[i]} ${value}`).join(", ");
}

/** What another program prints; undefined where there is none, or it fails. */
async function said(program: string, ...args: string[]): Promise<string | undefined> {
  try {
    const command = new Deno.Command(program, { args, stdin: "null", stderr: "null" });
    const { success, stdout } = await command.output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}
