/** What a report is made from: the files of a finished run, read once. */

import type { AccountNotes } from "../data/account_schema.ts";
import type { ResultFile, SummaryFile } from "../doctor/result.ts";
import type { DiagnosisFile } from "../doctor/diagnosis_file.ts";
import type { ExaminedLayer } from "../doctor/examine.ts";
import type { Exhibits } from "../doctor/exhibits.ts";
import type { FindingsFile } from "../doctor/findings/findings.ts";
import type { CorrelationFile } from "../doctor/studies/correlation.ts";
import type { NoiseFile } from "../doctor/studies/noise.ts";
import type { SweepFile } from "../doctor/studies/sweep.ts";
import type { EpochRecord } from "../train/checkpoint.ts";

/** The flags that a run was begun with, by key. */
export type Settings = Readonly<Record<string, unknown>>;

/** A study that was run, as its JSON file tells it. */
export type Study =
  | { readonly kind: "correlation"; readonly file: CorrelationFile }
  | { readonly kind: "noise"; readonly file: NoiseFile }
  | { readonly kind: "sweep"; readonly file: SweepFile };

interface Common {
  readonly settings: Settings;
  /** The command line that does the same again. */
  readonly command: string;
  /** What was noted of the data; runs that are parts of others have no account. */
  readonly account?: AccountNotes;
}

/** What both commands find out about a trained network. */
interface Examined extends Common {
  readonly layers: readonly ExaminedLayer[];
  /** Numbers of images by which each class was diagnosed. */
  readonly diagnosed: readonly number[];
  readonly exhibits: Exhibits;
  /** Absent where the run is older than they are. */
  readonly findings?: FindingsFile;
  readonly studies: readonly Study[];
}

export interface TreatmentRun extends Examined {
  readonly kind: "treatment";
  readonly result: ResultFile;
  readonly history: readonly EpochRecord[];
}

export interface DiagnosisRun extends Examined {
  readonly kind: "diagnosis";
  readonly diagnosis: DiagnosisFile;
}

/** Several seeds of a treatment; each has a report of its own. */
export interface SeedsRun extends Common {
  readonly kind: "seeds";
  readonly summary: SummaryFile;
  /** In the order of the summary's seeds; the folder by its name in the run's. */
  readonly parts: readonly {
    readonly folder: string;
    readonly result: ResultFile;
    /** Absent where the run is older than they are. */
    readonly findings?: FindingsFile;
  }[];
  readonly studies: readonly Study[];
}

export type Run = TreatmentRun | DiagnosisRun | SeedsRun;
