/**
 * This engine beside its peers: the same work on the same adapter, in turns, in one run. What
 * a peer computes is compared with what is computed here before anything is timed.
 */

import { ExitCode, UserError } from "../../engine/errors.ts";
import type { Runtime } from "../../engine/plan/runtime.ts";
import { median, relativeError } from "../../engine/averages.ts";
import type { Engine, Prepared, Values } from "./peers/engine.ts";
import { ours } from "./peers/ours.ts";
import { type Work, type WorkGroup, workGroups } from "./peers/work.ts";
import { meanRatio, type Ratio, ratioInTurns, type Result, type Summary } from "./result.ts";
import { inTurns, type TurnOptions } from "./turns.ts";

/** Rounding, and after a step a ReLU that is open in one engine and shut in the other. */
const TOLERANCE = 1e-3;

export interface PeerOptions extends TurnOptions {
  readonly batch: number;
  readonly stepBatch: number;
  readonly onWork?: (done: number, total: number) => void;
}

export interface Comparison {
  readonly results: readonly Result[];
  readonly summaries: readonly Summary[];
}

/** jax-js and TensorFlow.js. @throws UserError (noAdapter) where one of them finds no adapter */
export async function openPeers(): Promise<Engine[]> {
  const [{ jaxJs }, { tensorFlowJs }] = await Promise.all([
    import("./peers/jax.ts"),
    import("./peers/tfjs.ts"),
  ]);
  return [await jaxJs(), await tensorFlowJs()];
}

/** @throws UserError (failure) where a peer computes something else */
export async function benchPeers(
  runtime: Runtime,
  peers: readonly Engine[],
  options: PeerOptions,
): Promise<Comparison> {
  const engines = [ours(runtime), ...peers];
  const groups = workGroups(options.batch, options.stepBatch);
  const total = groups.reduce((sum, { works }) => sum + works.length, 0);
  const results: Result[] = [];
  let done = 0;
  for (const group of groups) {
    for (const work of group.works) {
      options.onWork?.(done++, total);
      results.push(...await benchWork(engines, group, work, options));
    }
  }
  options.onWork?.(total, total);
  return { results, summaries: summarise(results, peers.map(({ name }) => name)) };
}

async function benchWork(
  engines: readonly Engine[],
  { name: group }: WorkGroup,
  work: Work,
  options: TurnOptions,
): Promise<Result[]> {
  const prepared: Prepared[] = [];
  try {
    const errors: (number | undefined)[] = [];
    let reference: Values | undefined;
    for (const engine of engines) {
      options.signal.throwIfAborted();
      const contender = await engine.prepare(work);
      prepared.push(contender);
      await contender.enqueue();
      const values = await contender.results();
      errors.push(reference && check(engine.name, work, values, reference));
      reference ??= values;
    }
    const rounds = await inTurns(prepared, options);
    return engines.map(({ name: engine }, i) => ({
      group,
      name: work.name,
      work: work.spec,
      engine,
      seconds: median(rounds[i]),
      rounds: rounds[i],
      flops: work.flops,
      error: errors[i],
    }));
  } finally {
    for (const contender of prepared) contender.release();
  }
}

/** The largest relative error of a work's results; of parameters, that of their change. */
function check(engine: string, work: Work, values: Values, reference: Values): number {
  const errors = Object.keys(work.results).map((name) => {
    const before = work.kind === "step" ? work.operands[name]?.data : undefined;
    const change = (of: Float32Array) => before ? of.map((value, i) => value - before[i]) : of;
    const error = relativeError(change(values[name]), change(reference[name]));
    if (error <= TOLERANCE) return error;
    throw new UserError(
      `${engine} is off by ${
        error.toExponential(1)
      } in ${name} of ${work.name}: nothing is timed ` +
        "that computes something else",
      ExitCode.failure,
      "that is a defect of one of the engines; deno task test holds this one to float64",
    );
  });
  return Math.max(...errors);
}

/** How many times as long as this engine the best of others takes, for each work of a group. */
function leads(
  results: readonly Result[],
  group: WorkGroup["name"],
  others: readonly string[],
): Ratio[] {
  const works = new Set(results.filter((r) => r.group === group).map(({ name }) => name));
  return [...works].map((name) => {
    const [own, ...rest] = results.filter((r) => r.group === group && r.name === name);
    const best = rest.filter(({ engine }) => others.includes(engine))
      .reduce((a, b) => b.seconds < a.seconds ? b : a);
    return ratioInTurns(own, best);
  });
}

function summarise(results: readonly Result[], [jax, tf]: readonly string[]): Summary[] {
  const lead = (group: WorkGroup["name"], of: string, others: readonly string[]): Summary => ({
    what: `${group}: ${of} over this engine`,
    ...meanRatio(leads(results, group, others)),
  });
  return [
    lead("convolution forward", "the better peer", [jax, tf]),
    lead("forward + both gradients", "jax-js", [jax]),
    lead("forward + both gradients", "tfjs", [tf]),
    lead("training step", "the better peer", [jax, tf]),
  ];
}
