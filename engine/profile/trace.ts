/**
 * Profiled steps as a trace file in Chrome's format, which https://ui.perfetto.dev opens: one
 * process for the host, one for the device, on one time line.
 * https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */

import type { Span } from "../gpu/timestamps.ts";
import type { TimedStep } from "./profiler.ts";
import type { Command } from "../plan/record.ts";
import { COPIES } from "./report.ts";

const HOST = 1;
const DEVICE = 2;
/** Threads of the device's process, from top to bottom. */
const LAYERS = 1;
const KERNELS = 2;

const ORDERS = ["", " (gradient)", " (second derivative)"];

/** The trace as an object that is to be written as JSON. */
export function traceOf(dispatches: readonly Command[], steps: readonly TimedStep[]) {
  const begun = steps[0].host.feed.begin;
  const event = (pid: number, tid: number, name: string, span: Span, args = {}) => ({
    ph: "X",
    pid,
    tid,
    name,
    ts: 1000 * (span.begin - begun),
    dur: 1000 * (span.end - span.begin),
    args,
  });
  const events = steps.flatMap(({ host, dispatches: times }, step) => [
    event(HOST, 1, `step ${step + 1}`, { begin: host.feed.begin, end: host.submit.end }),
    ...Object.entries(host).map(([what, span]) => event(HOST, 1, what, span)),
    ...layerSpans(dispatches, times).map(({ name, ...span }) => event(DEVICE, LAYERS, name, span)),
    ...dispatches.flatMap(({ kernel, node, copies }, at) => {
      const { label, flops, bytes, workgroups } = kernel;
      const { copies: copied, kernel: span } = times[at];
      const about = { operation: node.operation.name, ...node.origin, workgroups, flops, bytes };
      const own = event(DEVICE, KERNELS, label, span, about);
      return copied
        ? [event(DEVICE, KERNELS, COPIES, copied, { operands: copies.length }), own]
        : [own];
    }),
  ]);
  return { displayTimeUnit: "ms", traceEvents: [...names(), ...events] };
}

/** Runs of dispatches of one layer. */
function layerSpans(dispatches: readonly Command[], times: TimedStep["dispatches"]) {
  const spans: { name: string; begin: number; end: number }[] = [];
  dispatches.forEach(({ node: { origin } }, at) => {
    const { copies, kernel } = times[at];
    const name = (origin.layer || "(other)") + (ORDERS[origin.order] ?? ORDERS[2]);
    const last = spans.at(-1);
    if (last?.name === name) last.end = kernel.end;
    else spans.push({ name, begin: (copies ?? kernel).begin, end: kernel.end });
  });
  return spans;
}

/** Events that name processes and threads. */
function names() {
  const named = (what: string, pid: number, tid: number, name: string) => ({
    ph: "M",
    name: what,
    pid,
    tid,
    args: { name },
  });
  return [
    named("process_name", HOST, 0, "host"),
    named("thread_name", HOST, 1, "steps"),
    named("process_name", DEVICE, 0, "device"),
    named("thread_name", DEVICE, LAYERS, "layers"),
    named("thread_name", DEVICE, KERNELS, "kernels"),
  ];
}
