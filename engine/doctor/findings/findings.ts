/** The kinds of findings, in one table; what was found of a network, and the file that keeps it. */

import * as v from "valibot";
import { readVersioned } from "../../io/files.ts";
import { count, fraction, type Schema } from "../../io/json.ts";
import { accuracy } from "../../train/predictions.ts";
import { calibration } from "./calibration.ts";
import { classes } from "./classes.ts";
import { type Evidence, type FindingKind, type Found, judgedOf } from "./finding.ts";
import { labels } from "./labels.ts";
import { shortcut } from "./shortcut.ts";
import { twins } from "./twins.ts";

/** A new kind is a file beside this and its name here. */
export const FINDINGS: readonly FindingKind[] = [shortcut, labels, classes, twins, calibration];

export const FINDINGS_FILE = "findings.json";
export const FINDINGS_VERSION = 1;

export interface Finding extends Found {
  /** Of the kind. */
  readonly name: string;
  /** The treatments that helped in such a case; absent where none was measured. */
  readonly helped?: string;
}

/** findings.json */
export interface FindingsFile {
  readonly version: number;
  /** The images that the network is judged by. */
  readonly judged: { readonly pool: string; readonly images: number; readonly accuracy: number };
  /** What was looked for, and why it couldn't be told where it couldn't. */
  readonly looked: readonly {
    readonly name: string;
    readonly words: string;
    readonly lacking?: string;
  }[];
  /** The most serious first. */
  readonly findings: readonly Finding[];
}

/** What is wrong, by the evidence. */
export function findingsOf(evidence: Evidence): FindingsFile {
  const { name: pool, predicted } = judgedOf(evidence);
  const looked = FINDINGS.map(({ name, words, lacking }) => ({
    ...{ name, words, lacking: lacking?.(evidence) },
  }));
  const findings = FINDINGS.flatMap(({ name, helped, find }, k): Finding[] => {
    const found = looked[k].lacking === undefined ? find(evidence) : undefined;
    return found ? [{ name, ...found, helped }] : [];
  });
  return {
    version: FINDINGS_VERSION,
    judged: { pool, images: predicted.length, accuracy: accuracy(predicted).accuracy },
    looked,
    findings: findings.sort((a, b) => b.severity - a.severity),
  };
}

/** Of what was looked for: what was not found, and what could not be told. */
export function othersOf({ looked, findings }: FindingsFile) {
  const isFound = (name: string) => findings.some((finding) => finding.name === name);
  return {
    sound: looked.filter(({ name, lacking }) => lacking === undefined && !isFound(name)),
    untold: looked.filter(({ lacking }) => lacking !== undefined),
  };
}

const schema = v.looseObject({
  version: v.number(),
  judged: v.looseObject({ pool: v.string(), images: count, accuracy: fraction }),
  looked: v.array(v.looseObject({
    ...{ name: v.string(), words: v.string(), lacking: v.optional(v.string()) },
  })),
  findings: v.array(v.looseObject({
    ...{ name: v.string(), claim: v.string(), evidence: v.array(v.string()), advice: v.string() },
    ...{ severity: fraction, images: v.optional(v.array(v.string())) },
    helped: v.optional(v.string()),
  })),
}) satisfies Schema<FindingsFile>;

/** @throws UserError (io) where the file is damaged or of another version */
export const readFindings = (path: string): Promise<FindingsFile> =>
  readVersioned(path, FINDINGS_VERSION, schema as Schema<FindingsFile>);
