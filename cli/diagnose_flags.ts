/** The flags of `diagnose`. */

import {
  batchFlag,
  dataFlags,
  diagnosisFlags,
  modelFlags,
  seedFlag,
  trainingImagesFlags,
  weightsFlag,
} from "./common.ts";
import { exactFlag } from "./exact.ts";
import { flagTable } from "./framework/flags.ts";

export const diagnoseFlags = flagTable({
  ...modelFlags,
  ...dataFlags,
  ...weightsFlag,
  ...diagnosisFlags,
  ...batchFlag,
  ...exactFlag,
  ...seedFlag,
  ...trainingImagesFlags,
});
