/** The flags of `diagnose`. */

import {
  batchFlag,
  dataFlags,
  diagnosisFlags,
  MAX_IMAGES,
  modelFlags,
  seedFlag,
  weightsFlag,
} from "./common.ts";
import { flagTable } from "./framework/flags.ts";

export const diagnoseFlags = flagTable({
  ...modelFlags,
  ...dataFlags,
  ...weightsFlag,
  ...diagnosisFlags,
  ...batchFlag,
  ...seedFlag,
  limit: {
    type: "integer",
    min: 20,
    max: MAX_IMAGES,
    help: "training images to use (default all)",
  },
  validation: {
    type: "number",
    min: 0,
    below: 1,
    default: 0,
    help: "share of the training images to leave out, as training did",
  },
  out: {
    type: "string",
    value: "DIR",
    help: "the folder for it (default a new one in runs/)",
    writes: { what: "folder", otherwise: "runs" },
  },
});
