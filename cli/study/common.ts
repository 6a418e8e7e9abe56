/** What the studies of given weights share: their flags, and what they begin and end with. */

import { ACCOUNT, accountOf } from "../../engine/data/account.ts";
import { type DataSet, limit } from "../../engine/data/dataset.ts";
import { resolveLayers } from "../../engine/doctor/layers.ts";
import type { Subject } from "../../engine/doctor/probes/probe.ts";
import { RunFolder } from "../../engine/run/run_folder.ts";
import { batchFlag, MAX_IMAGES, seedFlag } from "../train_flags.ts";
import { dataFlags } from "../data.ts";
import { freeFolder } from "../open_run.ts";
import { introduce } from "../stage_bars.ts";
import { modelFlags, weightsFlag } from "../model_flags.ts";
import { describeAccount } from "../account.ts";
import { exactFlag } from "../exact.ts";
import type { Context } from "../framework/command.ts";
import { flagTable, type Values } from "../framework/flags.ts";
import { openTrained } from "../trained.ts";

export const studyFlags = flagTable({
  ...modelFlags,
  ...dataFlags,
  ...weightsFlag,
  ...batchFlag,
  ...exactFlag,
  ...seedFlag,
  limit: { type: "integer", min: 20, max: MAX_IMAGES, help: "images to look at (default all)" },
  out: {
    type: "string",
    value: "DIR",
    help: "the folder for it (default a new one in runs/)",
    writes: { what: "folder", otherwise: "runs" },
  },
});

export interface Study {
  readonly subject: Subject;
  readonly layers: readonly string[];
  readonly set: DataSet;
  /** Writes a file into the study's folder. */
  write(name: string, content: string): Promise<void>;
  readonly folder: string;
}

/**
 * Opens the network, its weights and the images.
 * @param part of the data, which is looked at
 */
export async function openStudy(
  name: string,
  args: Values<typeof studyFlags> & { layer: readonly string[] },
  context: Context,
  part: "training" | "test",
): Promise<Study> {
  const { runtime, set, network, entry } = await openTrained(args, context);
  const layers = resolveLayers(network, args.layer, entry.featureLayer);
  const folder = args.out ?? await freeFolder(name, args);
  const run = await RunFolder.create(folder, { command: name, ...args });
  const all = part === "test" ? set.test : set.train;
  const split = args.limit === undefined ? all : limit(all, args.limit, args.seed);
  const account = accountOf(set, { [part]: split });
  introduce(context.print, args.model, network, set, runtime.gpu.adapter.name, folder);
  context.print(describeAccount(account));
  await run.writeJson(ACCOUNT, account);
  return {
    subject: {
      ...{ runtime, network, featureLayer: entry.featureLayer, set, split },
      ...{ batch: args.batch, seed: args.seed },
    },
    ...{ layers, set, folder },
    write: (name, content) => run.writeText(name, content),
  };
}

export const json = (value: unknown) => JSON.stringify(value, null, 2) + "\n";

/** A layer's name as a part of a file's. */
export const fileName = (layer: string) => layer.replace(/[^\w.-]/g, "_");
