/** Has cells done by an Indexed Job of Kubernetes: writes its manifest, and tells how far they are. */

import { dirname, join, relative, resolve } from "node:path";
import { stringify } from "yaml";
import { manifestOf } from "../../engine/cluster/kubernetes/manifest.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { makeFolder, realPathOf, writeFileAtomic } from "../../engine/io/files.ts";
import type { Context } from "../framework/command.ts";
import { pairOf, type PlaceArgs } from "./flags.ts";
import { type CellWork, inWords, isBegun, titleOf, workName } from "./work.ts";

/** The program in the image, where the Containerfile puts it. */
const PROGRAM = ["deno", "run", "-A", "/model-doctor/cli/main.ts"];

/** Writes the Job's manifest, and waits for nothing: whoever may create Jobs applies it. */
export async function onKubernetes(
  work: CellWork,
  args: PlaceArgs,
  { print }: Context,
): Promise<undefined> {
  if (args.status) return await status(work, print);
  const out = resolve(work.out);
  const mount = args.mount === undefined ? dirname(out) : resolve(args.mount);
  for (const path of [out, ...work.files]) await requireInClaim(path, mount);
  const manifest = manifestOf({
    ...{ name: await workName(work), count: work.cells.length, mount },
    ...{ command: [...PROGRAM, ...work.command], directory: Deno.cwd() },
    ...{ image: args.image, claim: args.claim!, namespace: args.namespace },
    limits: Object.fromEntries((args.limits ?? []).map(pairOf)),
    nodes: Object.fromEntries((args.nodes ?? []).map(pairOf)),
    ...{ atOnce: args.jobs, retries: args.retries },
  });
  const text = `# ${inWords(work.cells.length)}, an index each.\n${stringify(manifest)}`;
  if (args.dryRun) {
    print(text);
    return;
  }
  const path = join(out, "kubernetes", `${manifest.metadata.name}.yaml`);
  await makeFolder(dirname(path));
  await writeFileAtomic(path, text);
  print(`the Job of ${inWords(work.cells.length)} is written; to begin it, and to begin it anew:`);
  print(`  kubectl apply -f ${path}`);
  print(`  kubectl replace --force -f ${path}`);
  print("with --status the command says how far the cells are");
}

/** What lies in the folder: whether a pod is at a cell, only Kubernetes knows. */
async function status(work: CellWork, print: Context["print"]): Promise<undefined> {
  const counts = { finished: 0, begun: 0, "not begun": 0 };
  for (const index of work.cells.keys()) {
    const state = await work.isFinished(index)
      ? "finished"
      : await isBegun(work, index)
      ? "begun"
      : "not begun";
    counts[state]++;
    if (state === "begun") print(`${titleOf(work, index)}: begun`);
  }
  const told = Object.entries(counts).map(([state, count]) => `${count} ${state}`);
  print(`${inWords(work.cells.length)}: ${told.join(", ")}`);
  if (counts.finished > 0) await work.filled();
}

/**
 * The pods find a path where it lies in the claim by its own name, and does so without links, too.
 * @throws UserError (usage) where it does not
 */
async function requireInClaim(path: string, mount: string): Promise<void> {
  const real = await Promise.all([mount, path].map(realPathOf));
  for (const [folder, of] of [[mount, resolve(path)], real]) {
    if (!relative(folder, of).split("/").includes("..")) continue;
    const does = of === resolve(path) ? "does" : `is ${of}, which does`;
    throw new UserError(
      `the pods have no ${path}: it ${does} not lie in ${folder}, where they have the claim`,
      ExitCode.usage,
      "--mount is where the claim lies, in the pods and on this machine; what is to be read has to " +
        "lie in it, too",
    );
  }
}
