/** The flags of `diagnose`. */

import { batchFlag, seedFlag, trainingImagesFlags } from "./train_flags.ts";
import { dataFlags } from "./data.ts";
import { diagnosisFlags } from "./kernel_flags.ts";
import { modelFlags, weightsFlag } from "./model_flags.ts";
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
