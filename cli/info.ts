/** Shows what the engine computes on: adapter, features, limits; or all that there is to choose. */
import type { Gpu } from "../engine/gpu/adapter.ts";
import { describeSilent, machineDevices } from "../engine/host/gpu.ts";
import { showBytes } from "../engine/plan/buffers.ts";
import { defineCommand } from "./framework/command.ts";
import { table } from "./framework/table.ts";

export const command = defineCommand({
  name: "info",
  summary: "Show the GPU adapter, its features and its limits",
  flags: {
    all: {
      type: "boolean",
      help: "list the devices that --device chooses from, and GPUs whose driver does not answer",
      mode: ["json"],
    },
    json: { type: "boolean", help: "print one JSON object" },
  },
  examples: [
    { args: "", does: "a table" },
    { args: "--all", does: "every device of this machine" },
    { args: "--json", does: "the same for programs" },
  ],
  async run({ all, json }, context) {
    if (all) {
      const found = machineDevices();
      context.print(json ? JSON.stringify(found, null, 2) : describeAll(found));
      return;
    }
    const facts = factsOf(await context.gpu());
    context.print(json ? JSON.stringify(facts, null, 2) : describe(facts));
  },
});

function describeAll({ devices, silent }: ReturnType<typeof machineDevices>): string {
  const rows = devices?.map(({ name, kind, memory, free, driver, pci = "" }, i) => [
    ...[`${i}`, name, kind, showBytes(memory), free === undefined ? "" : showBytes(free)],
    ...[driver, pci],
  ]);
  const listed = rows === undefined
    ? "Vulkan's loader, which lists devices, is not here."
    : rows.length === 0
    ? "Vulkan's loader lists no device."
    : table(["", "device", "kind", "memory", "free", "driver", "PCI"], rows);
  return [listed, ...silent.map(describeSilent)].join("\n\n");
}

function factsOf({ adapter, isCpu, facts, features, limits }: Gpu) {
  return {
    adapter: { ...adapter, kind: isCpu ? "CPU" : "GPU", ...facts },
    deno: Deno.version.deno,
    system: `${Deno.build.os} ${Deno.build.arch}, ${navigator.hardwareConcurrency} cores`,
    features: [...features].sort(),
    limits: Object.fromEntries(Object.entries(limits).sort(([a], [b]) => a < b ? -1 : 1)),
  };
}

function describe({ adapter, deno, system, features, limits }: ReturnType<typeof factsOf>): string {
  const { driver, memory, processors, pci } = adapter;
  const facts = [
    ["adapter", adapter.name],
    ["kind", adapter.kind === "CPU" ? "software, computes on the CPU" : "GPU"],
    ["vendor", [adapter.vendor, adapter.architecture].join(" ").trim()],
    ...driver ? [["driver", driver]] : [],
    ...memory !== undefined ? [["memory", `${showBytes(memory)} free`]] : [],
    ...processors ? [["processors", String(processors)]] : [],
    ...pci ? [["PCI", pci]] : [],
    ["backend", `${adapter.backend || "the platform's choice"} (DENO_WEBGPU_BACKEND)`],
    ["Deno", deno],
    ["system", system],
    ["features", features.join(", ") || "none"],
  ];
  const rows = Object.entries(limits).map(([name, value]) => [name, amount(value)]);
  return `${table(undefined, facts)}\n\n${table(["limit", "value"], rows)}`;
}

/** 134217728 as "128 MiB", 65535 as it is. */
function amount(value: number): string {
  const units = [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]] as const;
  const unit = units.find(([, size]) => value >= size && value % size === 0);
  return unit && value > 2 ** 14 ? `${value / unit[1]} ${unit[0]}` : String(value);
}
