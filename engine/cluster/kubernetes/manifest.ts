/**
 * What Kubernetes is given: an Indexed Job, of which each index is a cell. It begins a cell again
 * as often as is allowed, on whatever node has room; what a pod leaves lies in the claim that all
 * pods share, so the next one goes on there.
 *
 * Source: https://kubernetes.io/docs/concepts/workloads/controllers/job
 */

import { FOR_GOOD, isForAll } from "../pool.ts";
import { ExitCode } from "../../errors.ts";
import { quoted } from "../shell.ts";

/** Cells that an Indexed Job does. */
export interface IndexedWork {
  /** The same for the same cells in the same folder, so that the Job is there once. */
  readonly name: string;
  readonly count: number;
  /** The program that does a cell, to which `--cell` and the cell's index are added. */
  readonly command: readonly string[];
  /** Where it is started. */
  readonly directory: string;
  readonly image: string;
  /** The PersistentVolumeClaim that all pods share, and where it lies in them. */
  readonly claim: string;
  readonly mount: string;
  readonly namespace?: string;
  /** What a pod is given: "nvidia.com/gpu" is "1". */
  readonly limits: Readonly<Record<string, string>>;
  /** The labels of the nodes that pods may run on. */
  readonly nodes: Readonly<Record<string, string>>;
  /** Pods at a time (default as many as there is room for). */
  readonly atOnce?: number;
  /** How often a cell is begun again whose pod ended for a reason that may pass. */
  readonly retries: number;
}

/** Seconds that a pod has for saving, after SIGTERM. */
const TO_SAVE = 60;

/** Pods at a time that Kubernetes allows a Job of many cells. */
const MOST_AT_ONCE = 10_000;

/** The manifest, as an object of batch/v1. */
export function manifestOf(work: IndexedWork) {
  const { name, namespace, count, retries, claim, mount, limits, nodes } = work;
  const volume = "shared";
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, ...namespace !== undefined && { namespace } },
    spec: {
      completionMode: "Indexed",
      completions: count,
      parallelism: Math.min(work.atOnce ?? count, count, MOST_AT_ONCE),
      backoffLimitPerIndex: retries,
      podFailurePolicy: { rules: FAILURES },
      template: {
        spec: {
          restartPolicy: "Never",
          terminationGracePeriodSeconds: TO_SAVE,
          ...Object.keys(nodes).length > 0 && { nodeSelector: { ...nodes } },
          volumes: [{ name: volume, persistentVolumeClaim: { claimName: claim } }],
          containers: [{
            name: CONTAINER,
            image: work.image,
            workingDir: work.directory,
            command: ["sh", "-c", scriptOf(work)],
            ...Object.keys(limits).length > 0 && { resources: { limits: { ...limits } } },
            volumeMounts: [{ name: volume, mountPath: mount }],
          }],
        },
      },
    },
  };
}

const CONTAINER = "cell";

const rule = (action: string, values: readonly number[]) => ({
  action,
  onExitCodes: { containerName: CONTAINER, operator: "In", values: [...values] },
});

/**
 * What becomes of a cell whose pod failed; the first rule that fits counts, and where none does the
 * cell is begun again. Without an adapter on one node there may be one on the next.
 */
const FAILURES = [
  // A pod that had to make room, or whose node is taken down, did nothing wrong.
  { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
  rule("FailJob", FOR_GOOD.filter((code) => isForAll(code) && code !== ExitCode.noAdapter)),
  rule("FailIndex", FOR_GOOD.filter((code) => !isForAll(code))),
];

/** Kubernetes puts the index into the environment; exec, so that the program gets the signals. */
const scriptOf = ({ command }: IndexedWork): string =>
  `exec ${command.map(quoted).join(" ")} --cell "$JOB_COMPLETION_INDEX"`;
