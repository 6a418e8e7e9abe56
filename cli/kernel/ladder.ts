/** Climbs the ladder of a convolution kernel: every rung checked, then timed in turns. */

import { ExitCode } from "../../engine/errors.ts";
import { measureRoofline, type Roofline } from "../../engine/gpu/roofline.ts";
import {
  LADDER,
  ladderCost,
  type LadderShape,
  requireLadderShape,
  type Rung,
} from "../../engine/lab/ladder.ts";
import { type Checked, Ladder, type Timed } from "../../engine/lab/ladder_run.ts";
import { Runtime } from "../../engine/plan/runtime.ts";
import { wrap } from "../../engine/prose.ts";
import { seedFlag } from "../train_flags.ts";
import { defineCommand } from "../framework/command.ts";
import { flagTable } from "../framework/flags.ts";
import { table, WIDE } from "../framework/table.ts";

const flags = flagTable({
  batch: {
    type: "integer",
    min: 1,
    max: 1024,
    help: "images (default 32, on a processor 1)",
  },
  size: { type: "integer", min: 1, max: 1024, default: 32, help: "height and width of the images" },
  channels: { type: "integer", min: 8, max: 4096, default: 64, help: "input channels" },
  filters: { type: "integer", min: 4, max: 4096, default: 64, help: "output channels" },
  seconds: {
    type: "number",
    min: 0,
    max: 600,
    default: 10,
    help: "how long to time the rungs; 0 checks alone",
  },
  json: { type: "boolean", help: "print JSON" },
  ...seedFlag,
});

export const command = defineCommand({
  name: "kernel ladder",
  summary: "Climb from a loop to a block: a convolution kernel in eight steps, checked and timed",
  description:
    "The rungs of shaders/ladder, each with one idea more than the one before, compute the same 3 x 3 " +
    "convolution of random operands. Each is held to float64 as far as rounding explains (exit code " +
    "1 where one is wrong), to the first one's bits, and to its own in a second run. Then all are " +
    "timed in turns, and set against the roofline measured in the same run. shaders/ladder/README.md " +
    "is the lecture.",
  flags,
  examples: [
    { args: "", does: "64 channels at 32 x 32" },
    {
      args: "--batch 1 --size 8 --channels 512 --filters 512",
      does: "few pixels and long sums, where splitting pays",
    },
  ],
  async run(args, context) {
    const gpu = await context.gpu();
    const shape = {
      batch: args.batch ?? (gpu.isCpu ? 1 : 32),
      height: args.size,
      width: args.size,
      inChannels: args.channels,
      outChannels: args.filters,
    };
    requireLadderShape(shape);
    const runtime = new Runtime(gpu);
    const ladder = await Ladder.make(runtime, LADDER, shape, args.seed);
    try {
      const checked = await ladder.check();
      context.signal.throwIfAborted();
      const times = args.seconds > 0 ? await ladder.time(args.seconds) : undefined;
      const roofline = times && await measureRoofline(gpu);
      const rungs = LADDER.map((rung, i) => ({ ...rung, ...checked[i], ...times?.[i] }));
      const found: Found = { adapter: gpu.adapter.name, shape, roofline, rungs };
      context.print(args.json ? JSON.stringify(found, null, 2) : describe(found));
      return checked.every(({ right }) => right) ? ExitCode.ok : ExitCode.failure;
    } finally {
      ladder.destroy();
      runtime.destroy();
    }
  },
});

interface Found {
  readonly adapter: string;
  readonly shape: LadderShape;
  /** Absent, as are times, where nothing was timed. */
  readonly roofline?: Roofline;
  readonly rungs: readonly (Omit<Rung, "stages"> & Checked & Partial<Timed>)[];
}

function describe({ adapter, shape, roofline, rungs }: Found): string {
  const { batch, height, width, inChannels, outChannels } = shape;
  const size = `${batch}x${height}x${width}`;
  const { flops, bytes } = ladderCost(shape);
  const work = `${(flops / 1e9).toPrecision(3)} GFLOP on ${
    (bytes / 1e6).toPrecision(3)
  } MB at least`;
  const peak = roofline &&
    `; peak ${roofline.gflops.toPrecision(3)} GFLOP/s, ${
        roofline.gbPerSecond.toPrecision(3)
      } GB/s, ` +
      `measured now; ${rungs[0].rounds} rounds in turns`;
  const speed = roofline ? ["ms", "median", "GFLOP/s", "of peak"] : [];
  const header = ["rung", "float64", "bits", "B/madd", "shared", ...speed];
  const rows = rungs.map((rung) => [
    rung.name,
    rung.right ? "right" : "WRONG",
    bitsOf(rung),
    `${rung.bufferBytes}`,
    rung.workgroupBytes ? `${rung.workgroupBytes}` : "",
    ...(roofline ? speedOf(rung, flops, roofline) : []),
  ]);
  const head = `3 x 3 convolution ${size}x${inChannels} -> ${size}x${outChannels}; ${adapter}\n` +
    work + (peak ?? "");
  const remark =
    "bits: beside the first rung's; B/madd: bytes that threads ask buffers for, a multiply-add; " +
    "shared: and workgroup memory" +
    (roofline ? "; ms: undisturbed, one time in ten is shorter" : "");
  return [wrap(head), table(header, rows, { width: WIDE }), wrap(remark)].join("\n\n");
}

function speedOf({ ms = NaN, median = NaN }: Partial<Timed>, flops: number, roofline: Roofline) {
  const gflops = flops / ms / 1e6;
  const share = `${(100 * gflops / roofline.gflops).toFixed(0)} %`;
  return [ms.toPrecision(3), median.toPrecision(3), gflops.toPrecision(3), share];
}

function bitsOf({ differing, elements, repeats }: Checked): string {
  if (!repeats) return "VARY";
  return differing === 0 ? "same" : `${(100 * differing / elements).toFixed(0)} % other`;
}
