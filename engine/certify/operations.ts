/**
 * Operations and kernels on the adapter at hand against float64 on the processor: values, gradients
 * and gradients of gradients, and whether a plan gives the same bits each time that it runs.
 *
 * Convolutions are checked on three targets: with the kernels that the adapter wants, with those for
 * any device (what faces of full size are then checked against), and Winograd's way wherever a shape
 * can go it.
 */

import { PLAIN, type Target, targetFor } from "../gpu/kernels/target.ts";
import type { Gpu } from "../gpu/adapter.ts";
import { derivativesOf } from "../lab/derivatives.ts";
import { gradcheck, randomNumbers, type Row, type Subject } from "../lab/gradcheck.ts";
import { Runtime } from "../plan/runtime.ts";
import { numel, type Shape } from "../tensor/shape.ts";
import { type HostArray, Variable } from "../tensor/tensor.ts";
import { type Case, CONVOLUTIONS, OPERATIONS, subjectOf, WINOGRAD } from "./cases.ts";
import type { Finding, PartOf } from "./certificate.ts";

type Check = PartOf<"operations">["checks"][number];

/** Gradients, and gradients of these. */
const ORDERS = 2;
const SEED = 0;
/** Of which each must leave the same bits. */
const RUNS = 3;

/** A set of cases for the kernels of one target. */
interface Examination {
  readonly name: string;
  readonly target: Target;
  readonly cases: readonly Case[];
}

/** Everything but convolutions. */
export const operationsOn = (gpu: Gpu): Examination[] => [
  { name: "adapter", target: targetFor(gpu), cases: OPERATIONS },
];

export function convolutionsOn(gpu: Gpu): Examination[] {
  const own = targetFor(gpu);
  return [
    { name: "adapter", target: own, cases: CONVOLUTIONS },
    {
      name: "any device",
      target: { ...PLAIN, operandBytes: own.operandBytes },
      cases: CONVOLUTIONS,
    },
    // Moving costs nothing and nothing need be kept busy: what can go Winograd's way does.
    { name: "winograd", target: { ...own, moveCost: 0, threads: 1 }, cases: WINOGRAD },
  ];
}

/** @param onCheck is told what has been checked; may throw to stop */
export async function checkOperations(
  gpu: Gpu,
  examinations: readonly Examination[],
  onCheck: (done: number, all: number) => void,
): Promise<Finding<"operations">> {
  const all = examinations.reduce((sum, { cases }) => sum + cases.length, 0);
  const checks: Check[] = [];
  for (const { name, target, cases } of examinations) {
    for (const each of cases) {
      checks.push(await check(gpu, name, target, each));
      onCheck(checks.length, all);
    }
  }
  return { kind: "operations", checks, wrong: checks.flatMap(wrongOf), remarkable: [] };
}

async function check(gpu: Gpu, name: string, target: Target, each: Case): Promise<Check> {
  const subject = subjectOf(each);
  const runtime = new Runtime(gpu, target);
  try {
    const { rows } = await gradcheck(runtime, subject, {
      orders: ORDERS,
      seed: SEED,
      differences: false,
    });
    return {
      target: name,
      expression: each.expression,
      shapes: Object.entries(each.shapes).map(([name, shape]) => `${name} ${shape.join("x")}`),
      errors: Array.from({ length: ORDERS + 1 }, (_, order) => largest(rows, order)),
      ofAllowed: Math.max(...rows.map(({ engine, allowed }) => engine / allowed)),
      sameBits: await givesSameBits(runtime, subject),
    };
  } finally {
    runtime.destroy();
  }
}

const largest = (rows: readonly Row[], order: number): number =>
  Math.max(0, ...rows.filter((row) => row.order === order).map(({ engine }) => engine));

/** Whether a plan leaves the same when it runs again. */
async function givesSameBits(runtime: Runtime, { value, inputs }: Subject): Promise<boolean> {
  const random = randomNumbers(SEED);
  const weights = (shape: Shape) => new Variable("weights", shape, random(numel(shape)));
  const variables = inputs.map(({ variable }) => variable);
  const derivatives = derivativesOf(value, variables, ORDERS, weights);
  const tensors = [value, ...derivatives.flatMap(({ gradients }) => gradients)];
  const outputs = Object.fromEntries(
    tensors.filter((tensor) => tensor !== undefined).map((tensor, i) => [`${i}`, tensor]),
  );
  const plan = await runtime.plan({ outputs });
  try {
    const results: HostArray[][] = [];
    for (let run = 0; run < RUNS; run++) {
      plan.run();
      results.push(await plan.read(...Object.keys(outputs)));
    }
    const [first, ...others] = results;
    return others.every((other) => other.every((values, i) => sameBits(values, first[i])));
  } finally {
    plan.destroy();
  }
}

/** Whether two arrays are the same, NaN by NaN too. */
export function sameBits(a: HostArray, b: HostArray): boolean {
  const words = ({ buffer, byteOffset, length }: HostArray) =>
    new Uint32Array(buffer, byteOffset, length);
  const [left, right] = [words(a), words(b)];
  return left.length === right.length && left.every((word, i) => word === right[i]);
}

function wrongOf({ target, expression, shapes, errors, ofAllowed, sameBits }: Check): string[] {
  const what = `${expression} of ${shapes.join(", ")} (kernels: ${target})`;
  const off = errors.map((error) => error.toExponential(1)).join(", ");
  return [
    ...ofAllowed <= 1 ? [] : [
      `${what} is off by ${off} in value and derivatives, ${ofAllowed.toPrecision(2)} times ` +
      "what rounding explains",
    ],
    ...sameBits ? [] : [`${what} gives other bits when it is run again`],
  ];
}
