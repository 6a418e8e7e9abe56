/** Where a command's cells are done: in its own process, or by several at a time. */

import { flagTable } from "./framework/flags.ts";
import { needs } from "./framework/rules.ts";

/** Places that cells are done at, besides the command's own process. */
const PLACES = ["local"] as const;

const elsewhere = needs.anyOf("on");

export const placeFlags = flagTable({
  on: {
    type: "choice",
    choices: PLACES,
    help: "do each cell in a process of its own: local, on this machine, --jobs at a time " +
      "(default: one after the other, in this process)",
    need: needs.absent("cell"),
  },
  jobs: {
    type: "integer",
    min: 1,
    max: 1024,
    help: "processes at a time (default one for each of --devices, else one)",
    need: elsewhere,
  },
  devices: {
    type: "list",
    of: "string",
    help: "the devices that the processes take in turn, each as --device names it",
    need: elsewhere,
    rule: ({ devices, jobs }) =>
      Array.isArray(devices) && typeof jobs === "number" && jobs < devices.length
        ? `names ${devices.length} devices, more than the ${jobs} of --jobs`
        : undefined,
  },
  retries: {
    type: "integer",
    min: 0,
    max: 100,
    default: 2,
    help: "how often a cell goes on whose process ended early, from its last checkpoint",
    need: elsewhere,
  },
  cell: {
    type: "integer",
    min: 0,
    max: 999_999,
    help: "do this cell alone, counted from 0, and write no table: what --on starts, and what a " +
      "scheduler's job array can",
  },
});

/** The keys of the flags that say nothing about what a cell is. */
export const placeKeys: readonly string[] = Object.keys(placeFlags);
