/** Where a command's cells are done: in its own process, by several at a time, or by a cluster. */

import {
  isLabel,
  isLimit,
  isNodeLabel,
  isSubdomain,
} from "../../engine/cluster/kubernetes/names.ts";
import type { AllValues, Need } from "../../engine/options.ts";
import { flagTable, type Values } from "../framework/flags.ts";
import { needs } from "../framework/rules.ts";

/** Places that cells are done at, besides the command's own process. */
const PLACES = ["local", "slurm", "kubernetes"] as const;

const elsewhere = needs.anyOf("on");
const bySlurm = needs.oneOf("on", "slurm");
const byKubernetes = needs.oneOf("on", "kubernetes");
const byCluster = needs.oneOf("on", "slurm", "kubernetes");

/** With these the command is over at once. */
const ALONE = ["dryRun", "detach", "status"] as const;
const waits: Need = {
  otherwise: "where the command does not wait",
  holds: (values) => !ALONE.some((key) => values[key]),
};
/** A manifest says itself how often a cell is begun again. */
const waitsOrTells: Need = {
  ...waits,
  holds: (values) => values.on === "kubernetes" ? !values.status : waits.holds(values),
};
const alone = (key: typeof ALONE[number]) => (values: AllValues) => {
  const other = ALONE.find((other) => other !== key && values[other]);
  if (!values[key] || other === undefined) return undefined;
  return "is one of --dry-run, --detach and --status, which don't go together";
};

/** What sbatch takes as one word. */
const word = (value: string): string | undefined => /^\S+$/.test(value) ? undefined : "is one word";

export const placeFlags = flagTable({
  on: {
    type: "choice",
    choices: PLACES,
    help:
      "do each cell in a process of its own: local, on this machine, --jobs at a time; slurm, " +
      "by job arrays of Slurm; kubernetes, by an Indexed Job, whose manifest is written (default: " +
      "one after the other, in this process)",
    need: needs.absent("cell"),
    rule: ({ on, claim }) =>
      on === "kubernetes" && claim === undefined
        ? "kubernetes needs --claim, the volume that all pods share"
        : undefined,
  },
  jobs: {
    type: "integer",
    min: 1,
    max: 1024,
    help: "processes at a time (default on this machine one for each of --devices, else one; in " +
      "a cluster as many as it has room for)",
    need: elsewhere,
  },
  devices: {
    type: "list",
    of: "string",
    help: "the devices that the processes take in turn, each as --device names it",
    need: needs.oneOf("on", "local"),
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
    need: [elsewhere, waitsOrTells],
  },
  partition: {
    type: "string",
    value: "NAME",
    help: "Slurm's partition (default the cluster's)",
    need: bySlurm,
    check: word,
  },
  time: {
    type: "string",
    value: "TIME",
    help: "time for a cell, as 2:00:00 or 1-12 (default the partition's); a minute before it is " +
      "over the cell saves where it is",
    need: bySlurm,
    check: word,
  },
  gres: {
    type: "string",
    value: "LIST",
    help: "what a cell is given besides, as gpu:1 (default nothing)",
    need: bySlurm,
    check: word,
  },
  sbatch: {
    type: "string",
    value: "OPTIONS",
    help: 'what else sbatch is told, with an equals sign: --sbatch="--mem=16G --account=lab"',
    need: bySlurm,
    check: sbatchComplaint,
  },
  claim: {
    type: "string",
    value: "NAME",
    help: "the PersistentVolumeClaim that all pods share, in which lies --out and what cells read",
    need: byKubernetes,
    check: (name) =>
      isSubdomain(name) ? undefined : "is a name in small letters, digits, - and ., as lab-data",
  },
  mount: {
    type: "string",
    value: "PATH",
    help: "where the claim lies, in the pods and on this machine (default the folder that --out " +
      "is in)",
    need: byKubernetes,
  },
  image: {
    type: "string",
    value: "NAME",
    default: "model-doctor",
    help: "the image of the pods, as made from the file Containerfile",
    need: byKubernetes,
    check: word,
  },
  namespace: {
    type: "string",
    value: "NAME",
    help: "the Job's namespace (default that of kubectl)",
    need: byKubernetes,
    check: (name) => isLabel(name) ? undefined : "is a name in small letters, digits and -, as lab",
  },
  limits: {
    type: "list",
    of: "string",
    help: "what a pod is given: nvidia.com/gpu=1,memory=16Gi (default nothing)",
    need: byKubernetes,
    check: pairsComplaint(isLimit, "resource=amount, as nvidia.com/gpu=1,memory=16Gi,cpu=4"),
  },
  nodes: {
    type: "list",
    of: "string",
    help: "the labels of the nodes that pods may run on: gpu=h100 (default all nodes)",
    need: byKubernetes,
    check: pairsComplaint(isNodeLabel, "label=value, as gpu=h100"),
  },
  poll: {
    type: "integer",
    min: 1,
    max: 3600,
    default: 30,
    help: "seconds between two questions to Slurm, each about all cells",
    need: [bySlurm, waits],
  },
  dryRun: {
    type: "boolean",
    help: "print what the cluster would be given, and do nothing",
    need: byCluster,
    rule: alone("dryRun"),
  },
  detach: {
    type: "boolean",
    help: "submit, and wait for nothing",
    need: bySlurm,
    rule: alone("detach"),
  },
  status: {
    type: "boolean",
    help: "submit nothing; say how far the cells are",
    need: byCluster,
    rule: alone("status"),
  },
  cell: {
    type: "integer",
    min: 0,
    max: 999_999,
    help: "do this cell alone, counted from 0, and write no table: what --on starts, and what a " +
      "scheduler's job array can",
  },
});

export type PlaceArgs = Values<typeof placeFlags>;
export type PlaceKey = keyof typeof placeFlags;

/** Whether the cells are looked at alone: none is begun, and no folder is made. */
export const looksOnly = ({ dryRun, status }: PlaceArgs): boolean => dryRun || status;

/** The keys of the flags that say nothing about what a cell is. */
export const placeKeys: readonly string[] = Object.keys(placeFlags);

/** What --on slurm decides itself. */
const DECIDED =
  /(?:^|\s)(-[aJoeDW]|--(?:array|job-name|output|error|chdir|parsable|wrap|wait|signal))(?=[\s=]|$)/;

function sbatchComplaint(options: string): string | undefined {
  if (/[\r\n]/.test(options)) return "is one line";
  if (!/^\s*-/.test(options)) return "begins with an option of sbatch's";
  const decided = DECIDED.exec(options)?.[1];
  return decided && `can't hold ${decided}, which --on slurm sets itself`;
}

/** "nvidia.com/gpu=1" as its two sides. */
export const pairOf = (text: string): [string, string] => {
  const at = text.indexOf("=");
  return [text.slice(0, at), text.slice(at + 1)];
};

function pairsComplaint(isRight: (pair: [string, string]) => boolean, what: string) {
  return (pairs: readonly string[]): string | undefined => {
    const wrong = pairs.find((text) => !text.includes("=") || !isRight(pairOf(text)));
    return wrong === undefined ? undefined : `is a list of ${what}; "${wrong}" is not one`;
  };
}
