/** The flags of `table`. */

import { dataSetNames } from "../../engine/data/registry.ts";
import { placeFlags } from "../cells/flags.ts";
import { modelsFlag } from "../model_flags.ts";
import { seedsFlag } from "../train_flags.ts";
import { flagTable, type Values } from "../framework/flags.ts";
import { treatFlags } from "../treat_flags.ts";

// What a table decides, or has no use for, is no flag of it.
const { model: _, data: __, out: ___, resume: ____, weights: _____, newHead: ______, ...others } =
  treatFlags;
const { format: _format, ...cellFlags } = others;

export const tableFlags = flagTable({
  ...modelsFlag("the classifiers; deno task models lists them"),
  data: {
    type: "list",
    of: "string",
    choices: dataSetNames,
    what: "data set",
    default: ["shapes"],
    help: `the data sets: ${dataSetNames.join(", ")}`,
  },
  ...cellFlags,
  ...seedsFlag(5, "cells of each model and data set, with --seed, the next one and so on"),
  out: {
    type: "string",
    value: "DIR",
    default: "runs/table",
    writes: { what: "folder" },
    help: "the table's folder; cells that are finished there are not done again",
  },
  ...placeFlags,
  onlyWrite: {
    type: "boolean",
    help: "do no cell; write the table of those that are there",
    mode: ["out"],
  },
  keepWeights: { type: "boolean", help: "keep the weights of finished cells" },
});
export type TableArgs = Values<typeof tableFlags>;
