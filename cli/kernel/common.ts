/** What the commands on kernels share: whose kernels they are, and how one of them is named. */

import { ExitCode, UserError } from "../../engine/errors.ts";
import type { Gpu } from "../../engine/gpu/adapter.ts";
import { exact, namedTargets, type Target, targetFor } from "../../engine/gpu/kernels/target.ts";
import { derivativesOf } from "../../engine/lab/derivatives.ts";
import type { Subject } from "../../engine/lab/gradcheck.ts";
import { kernelsOf, type PlannedKernel } from "../../engine/lab/unit.ts";
import { schedule } from "../../engine/plan/schedule.ts";
import { broadcastTo, constant, type Shape } from "../../engine/tensor/mod.ts";
import { exactFlag } from "../exact.ts";
import { flagTable, type Values } from "../framework/flags.ts";
import { openSubject, SUBJECT_HELP, subjectFlags } from "../lab/subject.ts";

const targets: Readonly<Record<string, Target>> = namedTargets;

export const kernelFlags = flagTable({
  of: {
    type: "string",
    value: "EXPRESSION|MODEL",
    default: "small",
    help: `whose kernels: ${SUBJECT_HELP}`,
  },
  ...subjectFlags("of", { size: 32, batch: 8 }),
  order: { type: "integer", min: 0, max: 6, default: 1, help: "how often it is differentiated" },
  target: {
    type: "choice",
    choices: ["adapter", ...Object.keys(targets)],
    default: "adapter",
    help: "the kernels that suit the adapter, those for any device, or those for GPUs",
  },
  ...exactFlag,
});
export type KernelArgs = Values<typeof kernelFlags>;

/** The flag that names a kernel. */
export const nameFlag = flagTable({
  kernel: {
    type: "string",
    positional: true,
    required: true,
    value: "KERNEL",
    help: "its number in deno task kernel list, or a part of its name",
  },
});

export const openKernelSubject = (args: KernelArgs): Promise<Subject> =>
  openSubject({ ...args, what: args.of });

/** The target that is asked for; the adapter is opened only where it is to decide. */
export async function targetOf(args: KernelArgs, gpu: () => Promise<Gpu>): Promise<Target> {
  const target = targets[args.target] ?? targetFor(await gpu());
  return args.exact ? exact(target) : target;
}

/** The kernels that compute a subject's value and its gradients. */
export function plannedKernels(
  subject: Subject,
  orders: number,
  target: Target,
): PlannedKernel[] {
  const inputs = subject.inputs.map(({ variable }) => variable);
  const ones = (shape: Shape) => broadcastTo(constant(1), shape);
  const gradients = derivativesOf(subject.value, inputs, orders, ones)
    .flatMap(({ gradients }) => gradients.filter((g) => g !== undefined));
  return kernelsOf(schedule([subject.value, ...gradients], [], target).dispatches);
}

/** The kernel that a number or a text names. @throws UserError (usage) where none or several fit */
export function named(kernels: readonly PlannedKernel[], name: string): PlannedKernel {
  const hint = "deno task kernel list, with the same flags, shows them";
  if (/^\d+$/.test(name)) {
    const found = kernels[Number(name) - 1];
    if (found) return found;
    throw new UserError(`there are ${kernels.length} kernels, no ${name}`, ExitCode.usage, hint);
  }
  const found = kernels.filter(({ kernel }) => kernel.label.includes(name));
  if (found.length === 1) return found[0];
  const labels = found.slice(0, 3).map(({ kernel }) => kernel.label).join("; ");
  throw new UserError(
    found.length === 0
      ? `no kernel has "${name}" in its name`
      : `${found.length} kernels have "${name}" in their names: ${labels}${
        found.length > 3 ? "; .." : ""
      }`,
    ExitCode.usage,
    hint,
  );
}
