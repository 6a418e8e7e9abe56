/** The probes, in one table: what follows from all of them, and how they are asked for by name. */

import { limit, type Split } from "../../data/dataset.ts";
import { ExitCode, UserError } from "../../errors.ts";
import { didYouMean } from "../../nearest.ts";
import type { Need, OptionTable, Values } from "../../options.ts";
import type { Curve } from "../curve.ts";
import { exchange } from "./exchange.ts";
import { fgsm } from "./fgsm.ts";
import { foreground } from "./foreground.ts";
import { insertion } from "./insertion.ts";
import { noise } from "./noise.ts";
import type { Measure, Probe, Subject } from "./probe.ts";

/** A new probe is a file beside this and its name here. */
export const PROBES = [foreground, exchange, fgsm, noise, insertion] as const;

type Entry = typeof PROBES[number];
export type ProbeName = Entry["name"];
type ResultOf<P> = P extends Probe<string, infer _, infer Result> ? Result : never;

/** What probes found, by their names; each is absent where it was not asked for or can't be had. */
export type ProbeResults = { readonly [P in Entry as P["name"]]?: ResultOf<P> };

type Intersection<Union> = (Union extends unknown ? (of: Union) => void : never) extends
  (of: infer All) => void ? All : never;

/** The options of all probes, as a table of flags; each needs its probe among the `measures`. */
export const probeOptions = Object.assign({}, ...PROBES.map(optionsOf)) as
  & Intersection<Entry["options"]>
  & OptionTable;

function optionsOf({ name, options }: { name: string; options: OptionTable }): OptionTable {
  const need: Need = {
    otherwise: `without ${name} among the measures`,
    holds: ({ measures }) => Array.isArray(measures) && measures.includes(name),
  };
  return Object.fromEntries(Object.entries(options).map(([key, of]) => [key, { ...of, need }]));
}
export type ProbeOptions = Values<Intersection<Entry["options"]>>;

export interface MeasureOptions {
  readonly probes: readonly ProbeName[];
  /** Most test images that the probes look at, the same number of each class. */
  readonly images: number;
  readonly options: ProbeOptions;
}

/** The probes of these names; "none" is none. @throws UserError (usage) with the nearest name */
export function probesOf(names: readonly string[]): ProbeName[] {
  return names.filter((name) => name !== "none").map((name) => {
    const probe = PROBES.find((probe) => probe.name === name);
    if (probe) return probe.name;
    const known = PROBES.map(({ name }) => name);
    throw new UserError(
      `there is no measure ${name}${didYouMean(name, known)}`,
      ExitCode.usage,
      `the measures are ${known.join(", ")}, or none`,
    );
  });
}

/** The images that probes look at. */
export function probedSplit(tested: Split, { images }: MeasureOptions, seed: number): Split {
  return images < tested.labels.length ? limit(tested, images, seed) : tested;
}

/** Makes what measures a probe, or undefined where the data doesn't allow it. */
export async function makeProbe(
  name: ProbeName,
  subject: Subject,
  options: ProbeOptions,
): Promise<Measure<ProbeResults> | undefined> {
  const probe = probeOf(name);
  if (lackingFor(name, subject.split) !== undefined) return undefined;
  const measure = await probe.make(subject, options);
  return {
    measure: async (observer) => ({ [name]: await measure.measure(observer) }),
    destroy: () => measure.destroy(),
  };
}

/** Every probe's numbers, by name. */
export function probeScalars(of: ProbeResults): Record<string, number | null> {
  return Object.assign({}, ...found(of).map(({ probe, result }) => probe.scalars(result)));
}

export function probeCurves(of: ProbeResults): Curve[] {
  return found(of).flatMap(({ probe, result }) => probe.curves(result));
}

/** What was done to the images, such as "gradients, FGSM and noise"; "" where nothing was. */
export function probesInWords(of: ProbeResults): string {
  const words = found(of).map(({ probe }) => probe.words);
  return [words.slice(0, -1).join(", "), ...words.slice(-1)].filter(Boolean).join(" and ");
}

/** Why a measure can't be taken on a split; undefined where it can. */
export const lackingFor = (name: ProbeName, split: Split): string | undefined =>
  probeOf(name).lacking?.(split);

/** A probe whose types are not known. */
const probeOf = (name: ProbeName): Probe => PROBES.find((probe) => probe.name === name)!;

const found = (of: ProbeResults) =>
  PROBES.map(({ name }) => ({ probe: probeOf(name), result: of[name] as unknown }))
    .filter(({ result }) => result !== undefined);
