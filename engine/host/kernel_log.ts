/**
 * MODEL_DOCTOR_DEBUG prints kernels on stderr as they are made and run: 1 each that is made, 2 each
 * that is run too, 3 with operands and constants, 4 with the text of those that are made.
 */

import { ExitCode, UserError } from "../errors.ts";
import { annotated, factsOf } from "../gpu/annotate.ts";
import type { Kernel } from "../gpu/kernel.ts";
import type { Dispatched, KernelLog } from "../gpu/kernel_log.ts";
import { printableLines } from "../printable.ts";
import { labelled } from "../prose.ts";

/** @throws UserError (usage) where there is no such level */
export function debugLevel(value: string | undefined): number {
  if (!value) return 0;
  if (/^[0-4]$/.test(value)) return Number(value);
  throw new UserError(
    `MODEL_DOCTOR_DEBUG is "${value}", and there is no such level`,
    ExitCode.usage,
    "set it to 1, 2, 3 or 4: kernels that are made, that are run, their operands, their text",
  );
}

/** @param print one or more lines */
export function kernelLog(
  level: number,
  print: (text: string) => void = (text) => console.error(printableLines(text)),
): KernelLog | undefined {
  if (level === 0) return undefined;
  let runs = 0;
  return {
    made(kernel, ms) {
      print(labelled("made", `${kernel.label}, ${ms.toFixed(1)} ms`, COLUMNS));
      if (level >= 4) print(annotated(kernel));
    },
    ran(dispatches) {
      if (level < 2) return;
      print(`run ${++runs}: ${dispatches.length} kernels`);
      for (const [k, dispatched] of dispatches.entries()) {
        print(labelled(String(k + 1).padStart(COLUMNS - 2), cost(dispatched.kernel), COLUMNS));
        if (level >= 3) print(details(dispatched));
      }
    },
  };
}

/** Before what is said of a kernel stands its number, or that it is made. */
const COLUMNS = 6;

const cost = ({ label, workgroups, flops, bytes }: Kernel) =>
  `${label}: ${workgroups} workgroups, ${(flops / 1e6).toPrecision(3)} MFLOP, ` +
  `${(bytes / 1e6).toPrecision(3)} MB`;

const details = ({ kernel, buffers }: Dispatched) =>
  factsOf(kernel, buffers.map(({ shape }) => shape)).slice(1)
    .map((fact) => labelled("", fact, COLUMNS)).join("\n");
