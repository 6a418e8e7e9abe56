/** Has cells done by an Indexed Job of Kubernetes: writes its manifest, and tells how far they are. */

import { dirname, join, relative, resolve } from "node:path";
import { stringify } from "yaml";
import { manifestOf } from "../../engine/cluster/kubernetes/manifest.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { makeFolder, writeFileAtomic } from "../../engine/io/files.ts";
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
  const out = await Deno.realPath(work.out);
  const mount = args.mount === undefined ? dirname(out) : await realPath(args.mount);
  if (!isIn(mount, out)) {
    throw new UserError(
      `--out ${out} does not lie in ${mount}, where the pods have the claim`,
      ExitCode.usage,
      "--mount is where the claim lies, in the pods and on this machine",
    );
  }
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
  const elsewhere = await Promise.all(work.files.map(realPath));
  for (const file of elsewhere.filter((file) => !isIn(mount, file))) {
    print(`warning  the pods have no ${file}: it does not lie in ${mount}`);
  }
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

/** Without links, as far as it is there. */
const realPath = (path: string): Promise<string> => Deno.realPath(path).catch(() => resolve(path));

const isIn = (folder: string, path: string): boolean =>
  !relative(folder, path).split("/").includes("..");
