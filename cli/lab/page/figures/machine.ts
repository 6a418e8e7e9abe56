/// <reference lib="dom" />
/** The plan of a step: its kernels in order, and what lies in memory while each runs. */

import { html, type TemplateResult } from "lit-html";
import { type Constraint, constraintInWords, OFF } from "../../../../engine/doctor/constraint.ts";
import { ExitCode, UserError } from "../../../../engine/errors.ts";
import { render } from "../../../../engine/gpu/render.ts";
import { BLOCKS } from "../../../../engine/gpu/kernels/target.ts";
import {
  aliveAt,
  type Machine,
  machineOf,
  type Part,
  type Purpose,
  stepGraph,
  type StepShape,
} from "../../../../engine/lab/machine.ts";
import { timesOf } from "../../../../engine/lab/machine_time.ts";
import { parameterCount } from "../../../../engine/nn/state.ts";
import { ALWAYS } from "../../../../engine/train/schedule.ts";
import { classifier, createClassifier } from "../../../../models/mod.ts";
import { code } from "../parts/code.ts";
import { button, choice, controls, slider } from "../parts/controls.ts";
import { device } from "../parts/device.ts";
import { type Live, live } from "../parts/live.ts";
import { show, table } from "../parts/numbers.ts";
import { BARS, lifelines, ORDERS, timeline } from "./timeline.ts";

/** Networks, and the layer at which a treatment holds its gradients. */
const LAYERS = {
  small: "features.3",
  squeezenet: "fire9",
  mobilenetv2: "conv1",
  resnet18: "conv4_x",
  resnet50: "conv4_x",
} as const;
const MODELS = Object.fromEntries(Object.keys(LAYERS).map((name) => [name, name])) as Record<
  keyof typeof LAYERS,
  string
>;
const STEPS = {
  evaluate: "evaluate a batch",
  train: "train",
  treat: "treat: train with a constraint",
} as const;
const TARGETS = { gpu: "for GPUs", device: "for this device" } as const;
const BATCHES = { 1: "1", 8: "8", 32: "32", 128: "128" } as const;

export interface MachineState {
  readonly model: keyof typeof LAYERS;
  readonly step: keyof typeof STEPS;
  readonly batch: keyof typeof BATCHES;
  readonly target: keyof typeof TARGETS;
  /** How often times were asked for. */
  readonly times: number;
  /** The number of the kernel that is looked at. */
  readonly kernel: number;
}

type Asked = Omit<MachineState, "kernel">;

interface Found {
  readonly machine: Machine;
  readonly parameters: number;
  readonly constraint?: Constraint;
  /** Milliseconds of each kernel. */
  readonly times?: readonly number[];
}

export const machineFigure = (start: MachineState): Live<MachineState> =>
  live<MachineState, Asked, Found>({
    id: "machine",
    title: "A step of a network, kernel by kernel",
    start,
    asks: ({ model, step, batch, target, times }) => ({ model, step, batch, target, times }),
    compute: found,
    view,
  });

async function found({ model, step, batch, target, times }: Asked): Promise<Found> {
  const { runtime, description } = await device();
  if (target === "device" && !runtime) {
    throw new UserError(`there is no device to plan for: ${description}`, ExitCode.noAdapter);
  }
  const shape: StepShape = { batch: Number(batch), size: 32, channels: 3, classes: 10 };
  const network = createClassifier(classifier(model), {
    ...{ inChannels: shape.channels, numClasses: shape.classes, imageSize: shape.size },
  });
  const channel = { ...OFF, weight: 0.1, layers: [LAYERS[model]], schedule: ALWAYS };
  const constraint = step === "treat" ? { channel, space: OFF } : undefined;
  const purpose: Purpose = constraint
    ? { treat: constraint }
    : step === "train"
    ? step
    : "evaluate";
  const graph = stepGraph(network, shape, purpose);
  const own = target === "device" ? runtime : undefined;
  const measured = own && times > 0 ? await timesOf(own, graph) : undefined;
  if (measured) own!.release([...network.namedState()].map(([, variable]) => variable));
  return {
    machine: machineOf(graph, own?.target ?? BLOCKS),
    parameters: parameterCount(network),
    ...{ constraint, times: measured },
  };
}

function view(
  state: MachineState,
  set: (change: Partial<MachineState>) => void,
  result?: Found,
): TemplateResult {
  const { model, step, batch, target } = state;
  const first = { kernel: 0, times: 0 };
  return html`
    ${controls(
      choice("Network", model, MODELS, (model) => set({ model, ...first })),
      choice("Step", step, STEPS, (step) => set({ step, ...first })),
      choice("Images", `${batch}` as never, BATCHES, (batch) => set({ batch, ...first })),
      choice("Kernels", target, TARGETS, (target) => set({ target, ...first })),
      button("Time them here", () => set({ target: "device", times: state.times + 1 })),
    )}
    ${result ? shown(state, set, result) : html`<p role="status">Planning ..</p>`}
  `;
}

const mib = (bytes: number) => `${show(bytes / 2 ** 20, 3)} MiB`;

function shown(
  { kernel }: MachineState,
  set: (change: Partial<MachineState>) => void,
  { machine, parameters, constraint, times }: Found,
): TemplateResult {
  const { parts, values, memory, written, operations } = machine;
  const at = Math.min(kernel, parts.length - 1);
  const peak = Math.max(...parts.map(({ alive }) => alive));
  return html`
    <p role="status">
      ${parameters.toLocaleString("en")} parameters. ${written} operations are written,
      ${operations.length} are left after simplifying, ${fused(
        operations,
      )} of them fused, and <strong>${parts
        .length} kernels</strong> run. Values
      take ${mib(memory.values.bytes)} with their memory used again, ${mib(
        memory.values.withoutReuse,
      )}
      without; most at a time is ${mib(peak)}.
      ${constraint ? `The constraint: ${constraintInWords(constraint)}.` : ""}
    </p>
    <ul class="legend">${ORDERS.filter((_, k) => parts.some(({ order }) => order === k)).map((
      name,
    ) =>
      html`<li>
        <span class="key" style="background: ${BARS[ORDERS.indexOf(name)]}"></span>${name}
      </li>`
    )}</ul>
    <div class="scroll" tabindex="0" role="group" aria-label="Memory and kernels">
      ${timeline("in memory", parts, parts.map(({ alive }) => alive), mib(peak), at)}
      ${lifelines(machine, mib(memory.values.bytes), at)}
      ${times && timeline("time", parts, times, `${show(Math.max(...times), 3)} ms`, at)}
      ${!times && timeline(
        "operations",
        parts,
        parts.map(({ dispatch }) => dispatch.kernel.flops),
        `${show(Math.max(...parts.map(({ dispatch }) => dispatch.kernel.flops)) / 1e6, 3)} MFLOP`,
        at,
      )}
    </div>
    ${controls(
      slider("Kernel", at + 1, [1, parts.length], (number) => set({ kernel: number - 1 })),
    )}
    ${told(machine, at, times)}
    ${table(
      "By layer and by how often it was differentiated",
      ["", "kernels", "MFLOP", "MB", ...(times ? ["ms"] : [])],
      sums(parts, times),
    )}
    <details><summary>Every kernel</summary>${table(
      "In the order in which they run",
      [
        "number",
        "kernel",
        "layer",
        "of order",
        "MFLOP",
        "MB",
        "MiB in memory",
        ...(times ? ["ms"] : []),
      ],
      parts.map(({ dispatch: { kernel }, layer, order, alive }, i) => [
        `${i + 1}`,
        kernel.label,
        layer,
        `${order}`,
        kernel.flops / 1e6,
        kernel.bytes / 1e6,
        alive / 2 ** 20,
        ...(times ? [show(times[i], 3)] : []),
      ]),
    )}</details>
    <details><summary>Its graph: every operation, and the kernel that computes it</summary>${table(
      "After simplifying",
      ["node", "operation", "of", "layer", "of order", "kernel"],
      operations.map(({ name, what, operands, layer, order, kernel }) => [
        ...[name, what, operands.join(", "), layer, `${order}`],
        kernel === "alias"
          ? "none, another shape"
          : kernel === undefined
          ? "fused"
          : `${kernel + 1}`,
      ]),
    )}</details>
    <details><summary>Every value in memory</summary>${table(
      "Buffer by buffer: from the kernel that writes it to the last that reads it",
      ["buffer", "written by", "layer", "MiB", "from kernel", "to"],
      values.map(({ buffer, from, to, bytes }) => [
        `${buffer + 1}`,
        parts[from].dispatch.kernel.label,
        parts[from].layer,
        bytes / 2 ** 20,
        `${from + 1}`,
        `${to + 1}`,
      ]),
    )}</details>
  `;
}

function told({ parts, values }: Machine, at: number, times?: readonly number[]) {
  const { dispatch, layer, order, alive } = parts[at];
  const { kernel } = dispatch;
  const { flops, bytes, workgroups } = kernel;
  const held = aliveAt(values, at);
  const done = held.filter(({ to }) => to === at).length;
  const facts = [
    `${ORDERS[Math.min(2, order)]}${layer && ` of ${layer}`}`,
    `${show(flops / 1e6, 3)} MFLOP on ${show(bytes / 1e6, 3)} MB, ${
      show(flops / bytes, 2)
    } operations a byte`,
    `${workgroups} workgroup${workgroups === 1 ? "" : "s"}`,
    `${held.length} value${held.length === 1 ? "" : "s"} in memory, ${
      mib(alive)
    }, of which ${done} ${done === 1 ? "is" : "are"} needed no more after it`,
    ...(times ? [`${show(times[at], 3)} ms, ${show(flops / times[at] / 1e6, 3)} GFLOP/s`] : []),
  ];
  return html`
    <div role="status">
      <p><strong>${at + 1}. ${kernel.label}</strong>: ${facts.join("; ")}.</p>
    </div>
    <details><summary>Its shader</summary>${code(render(kernel), kernel.label)}</details>
  `;
}

const fused = (operations: Machine["operations"]) =>
  operations.filter(({ kernel }) => kernel === undefined).length;

/** A row for each order, then for each layer of the network's own. */
function sums(parts: readonly Part[], times?: readonly number[]) {
  const numbered = parts.map((part, at) => ({ part, at }));
  const row = (name: string, of: readonly { part: Part; at: number }[]) => {
    const total = (value: (part: Part) => number) =>
      of.reduce((sum, { part }) => sum + value(part), 0);
    return [
      name,
      `${of.length}`,
      total(({ dispatch }) => dispatch.kernel.flops) / 1e6,
      total(({ dispatch }) => dispatch.kernel.bytes) / 1e6,
      ...(times ? [show(of.reduce((sum, { at }) => sum + times[at], 0), 3)] : []),
    ];
  };
  const byOrder = Map.groupBy(numbered, ({ part }) => Math.min(2, part.order));
  const byLayer = Map.groupBy(numbered, ({ part }) => part.layer.split(".").slice(0, 2).join("."));
  return [
    ...[...byOrder].sort(([a], [b]) => a - b).map(([order, of]) => row(ORDERS[order], of)),
    ...[...byLayer].map(([layer, of]) => row(layer || "(no layer)", of)),
    row("all", numbered),
  ];
}
