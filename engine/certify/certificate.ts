/**
 * What `certify` finds of a machine: a list of parts, each of which is kept as it ends. A part says
 * what is `wrong` (the certificate does not pass then) and what is `remarkable` (slower or larger
 * than it should be). `CERTIFICATE_VERSION` grows whenever a reader of an older file would be misled.
 */

import * as v from "valibot";
import { ExitCode } from "../errors.ts";
import { readVersioned } from "../io/files.ts";
import { count, finite, type JsonSource, measured } from "../io/json.ts";

export const CERTIFICATE_VERSION = 1;
export const CERTIFICATE = "certificate.json";

const texts = v.array(v.string());

/** What every part has; seconds are those that it took. */
const common = { name: v.string(), seconds: finite, wrong: texts, remarkable: texts };

const operations = v.object({
  kind: v.literal("operations"),
  ...common,
  checks: v.array(v.object({
    /** Which kernels: those that the adapter wants, those for any, Winograd's. */
    target: v.string(),
    expression: v.string(),
    /** "x 2x8x8x4" of each input. */
    shapes: texts,
    /** Largest relative L2 error by order (value, gradients, gradients of these), over its bound. */
    errors: v.array(measured),
    /** The largest share of what rounding explains, over all of them; up to 1 is right. */
    ofAllowed: measured,
    sameBits: v.boolean(),
  })),
});

const roofline = v.object({
  kind: v.literal("roofline"),
  ...common,
  gflops: finite,
  gbPerSecond: finite,
});

const dispatch = v.object({
  kind: v.literal("dispatch"),
  ...common,
  /** Microseconds of a tiny kernel that waits for the one before, on the device. */
  deviceUs: finite,
  /** To record one on the host. */
  hostUs: finite,
  /** Milliseconds until a few bytes are read back from an idle device. */
  readbackMs: finite,
});

const faces = v.object({
  kind: v.literal("faces"),
  ...common,
  model: v.string(),
  batch: count,
  faces: v.array(v.object({
    name: v.string(),
    class: v.string(),
    face: v.string(),
    ms: finite,
    gflops: finite,
    ofPeak: finite,
    ofAchievable: finite,
    /** Relative L2 distance from the general kernel. */
    error: measured,
    /** Where it goes Winograd's way, the direct way's time over its own. */
    gain: v.optional(finite),
    flops: finite,
    work: v.record(v.string(), v.unknown()),
  })),
});

/** Kernels of a kind, as predicted (prediction.ts) and as measured one by one. */
const share = v.object({
  kind: v.string(),
  dispatches: count,
  gflop: finite,
  gb: finite,
  predictedMs: finite,
  measuredMs: finite,
});

const stage = v.object({
  stage: v.string(),
  firstMs: finite,
  ms: finite,
  imagesPerSecond: finite,
  memory: finite,
  dispatches: count,
  /** Milliseconds that recording takes on the host. */
  hostMs: finite,
  finite: v.boolean(),
  predictedMs: finite,
  shares: v.array(share),
});

const steps = v.object({
  kind: v.literal("steps"),
  ...common,
  model: v.string(),
  batch: count,
  width: finite,
  stages: v.array(stage),
});

const treat = v.object({
  kind: v.literal("treat"),
  ...common,
  /** The sum of a treat step's losses after each step, here and in float64. */
  losses: v.array(v.object({ here: measured, float64: finite })),
  /** Of a whole treatment of the small network: its command line, seconds by stage, losses. */
  flags: texts,
  stages: v.record(v.string(), finite),
  epochs: v.array(v.object({ stage: v.string(), epoch: count, loss: measured })),
});

const tune = v.object({
  kind: v.literal("tune"),
  ...common,
  model: v.string(),
  classes: v.array(v.object({
    label: v.string(),
    calls: count,
    variant: v.string(),
    untuned: v.string(),
    ms: finite,
    untunedMs: finite,
  })),
  /** A training step without and with what was found, in turns. */
  untunedMs: finite,
  tunedMs: finite,
});

const pytorch = v.object({
  kind: v.literal("pytorch"),
  ...common,
  adapter: v.string(),
  pairs: v.array(v.object({
    group: v.string(),
    name: v.string(),
    engine: v.string(),
    ms: finite,
    theirMs: finite,
  })),
});

/** It came to no result, and is tried again when the certificate is gone on with. */
const failed = v.object({ kind: v.literal("failed"), ...common, exitCode: count });

const partSchema = v.variant("kind", [
  ...[operations, roofline, dispatch, faces, steps] as const,
  ...[treat, tune, pytorch, failed] as const,
]);

const certificateSchema = v.object({
  version: count,
  /** What it holds for: it is not gone on with where any of this has changed. */
  subject: v.object({
    adapter: v.string(),
    vendor: v.string(),
    driver: v.string(),
    deno: v.string(),
    program: v.string(),
    batch: count,
    width: finite,
  }),
  machine: v.object({
    system: v.string(),
    /** What the driver tells of clocks and temperature, where it does. */
    clocks: v.optional(v.string()),
    facts: v.record(v.string(), v.union([v.string(), finite])),
    features: texts,
    limits: v.record(v.string(), finite),
  }),
  parts: v.array(partSchema),
  /** What there was no time for, or nothing to do it with. */
  skipped: v.array(v.object({ name: v.string(), why: v.string() })),
});

export type Certificate = v.InferOutput<typeof certificateSchema>;
export type Part = v.InferOutput<typeof partSchema>;
export type PartOf<Kind extends Part["kind"]> = Extract<Part, { kind: Kind }>;
/** A part before it has a name and a time. */
export type Finding<Kind extends Part["kind"] = Part["kind"]> = Kind extends Part["kind"]
  ? Omit<PartOf<Kind>, "name" | "seconds">
  : never;

/**
 * @param source how to speak of a file that a person named
 * @throws UserError (io) where the file is damaged or of another version
 */
export const readCertificate = (
  path: string,
  source?: Pick<JsonSource, "what" | "hint">,
): Promise<Certificate> => readVersioned(path, CERTIFICATE_VERSION, certificateSchema, source);

/** The parts of a kind, in their order. */
export const partsOf = <Kind extends Part["kind"]>(
  { parts }: Pick<Certificate, "parts">,
  kind: Kind,
): PartOf<Kind>[] => parts.filter((part) => part.kind === kind) as PartOf<Kind>[];

export interface Verdict {
  /** PASS, or how much is wrong; and what was left out. */
  readonly line: string;
  readonly wrong: readonly string[];
  readonly remarkable: readonly string[];
  readonly exitCode: ExitCode;
}

/** What a certificate comes to. Nothing that was left out counts against it; it is said. */
export function verdictOf({ parts, skipped }: Pick<Certificate, "parts" | "skipped">): Verdict {
  const told = (of: "wrong" | "remarkable") =>
    parts.flatMap((part) => part[of].map((text) => `${part.name}: ${text}`));
  const wrong = told("wrong");
  const done = `${parts.length} ${parts.length === 1 ? "part" : "parts"}`;
  const left = skipped.length > 0
    ? `; left out: ${skipped.map(({ name }) => name).join(", ")}`
    : "";
  if (parts.length === 0) {
    return { line: `nothing was examined${left}`, wrong, remarkable: [], exitCode: 1 };
  }
  const isFailed = (part: Part): part is PartOf<"failed"> => part.kind === "failed";
  const mistaken = parts.some((part) => !isFailed(part) && part.wrong.length > 0);
  const exitCode = wrong.length === 0
    ? ExitCode.ok
    : mistaken
    ? ExitCode.failure
    : parts.find(isFailed)!.exitCode as ExitCode;
  const verdict = wrong.length === 0 ? "PASS" : `WRONG in ${wrong.length}`;
  return { line: `${verdict} (${done}${left})`, wrong, remarkable: told("remarkable"), exitCode };
}
