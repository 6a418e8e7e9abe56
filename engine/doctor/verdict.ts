/**
 * What a trial came to, in sentences that a person can act on. A treatment is held against the
 * control, which tells what it gains over further training, and against its placebos, which tell
 * what its masks and kernels add. Beyond chance is a p below 0.05 with all arms judged together
 * (see `holm`); for other numbers of one seed, a 95 % interval without zero.
 */

import { type Constraint, termsOf } from "./constraint.ts";
import {
  between,
  type Contrast,
  CONTROL,
  isAddition,
  isPlacebo,
  type Pair,
  type SeedsContrast,
  TREATED,
} from "./contrasts.ts";
import type { Interval } from "./significance.ts";
import { inPoints } from "./words.ts";

/** The numbers that a verdict speaks of besides accuracy; they are those of `classScalars`. */
export const MAIN_MEASURES = [
  ...["accuracy, training's groups", "worst group", "worst class", "calibration error"],
] as const;

/** What is known of two arms in one number. */
export interface Evidence extends Pair {
  readonly difference: number;
  readonly interval: Interval | null;
  /** Whether it is more than chance explains. */
  readonly isBeyondChance: boolean;
}

/** Every number's evidence, by name; "accuracy" is one of them. */
export type EvidenceByName = Readonly<Record<string, readonly Evidence[]>>;

/** What is called more than chance explains. */
const SIGNIFICANT = 0.05;

/** The evidence of one seed's test images. */
export function evidenceOfImages(contrasts: readonly Contrast[]): EvidenceByName {
  const accuracy = contrasts.map(({ arm, against, difference, interval, holm }): Evidence => ({
    ...{ arm, against, difference, interval },
    isBeyondChance: holm !== null && holm < SIGNIFICANT,
  }));
  const others = MAIN_MEASURES.map((name) => {
    const known = contrasts.flatMap(({ arm, against, measures: { [name]: of } }) => {
      if (!of) return [];
      const { interval } = of;
      const isBeyondChance = interval !== null && (interval[0] > 0 || interval[1] < 0);
      return [{ ...{ arm, against }, ...of, isBeyondChance }];
    });
    return [name, known] as const;
  });
  return { accuracy, ...Object.fromEntries(others.filter(([, known]) => known.length > 0)) };
}

/** The evidence of several seeds. */
export function evidenceOfSeeds(
  metrics: Readonly<Record<string, { readonly contrasts: readonly SeedsContrast[] }>>,
): EvidenceByName {
  const names = ["accuracy", ...MAIN_MEASURES].filter((name) => metrics[name]);
  return Object.fromEntries(names.map((name) => [
    name,
    metrics[name].contrasts.map(({ arm, against, mean, interval, holm }): Evidence => ({
      ...{ arm, against, difference: mean, interval },
      isBeyondChance: holm !== null && holm < SIGNIFICANT,
    })),
  ]));
}

/**
 * The verdict, as sentences: what came out of it first.
 * @param seeds how many there are; a single one is said to be no more
 */
export function verdictOf(
  arms: readonly string[],
  evidence: EvidenceByName,
  constraint: Constraint,
  seeds: number,
): string[] {
  const caution = seeds === 1
    ? "One seed: another may differ; --seeds 10 tells."
    : `${seeds} seeds.` + (seeds < 10 ? " A claim takes 10 (--seeds)." : "");
  const parts = arms.includes(TREATED)
    ? [
      ...ofTreated(arms, evidence.accuracy, constraint),
      besides(arms, evidence),
      remedies(arms, evidence.accuracy),
    ]
    : [ofArms(evidence.accuracy)];
  return [...parts, additions(evidence.accuracy), caution].filter((part) => part !== "");
}

/** Better, worse, or neither that could be told from chance. */
type Sign = "+" | "-" | "0";
const signOf = (of: Evidence): Sign => !of.isBeyondChance ? "0" : of.difference > 0 ? "+" : "-";

/** A placebo's difference counts against the treatment where it is the least favourable. */
function signOfAll(all: readonly Evidence[]): Sign {
  const signs = all.map(signOf);
  if (signs.includes("-")) return "-";
  return signs.includes("0") ? "0" : "+";
}

/** What the treatment comes to, and the numbers that say so. */
function ofTreated(
  arms: readonly string[],
  accuracy: readonly Evidence[],
  constraint: Constraint,
): string[] {
  const control = between(accuracy, TREATED, CONTROL)!;
  const placebos = placebosIn(arms, accuracy);
  const numbers = [
    `Treated minus control ${numbersOf(control)} points of test accuracy`,
    ...placebos.map((of) => `minus ${of.against} ${numbersOf(of)}`),
  ];
  const conclusion = placebos.length > 0
    ? CONCLUSIONS[`${signOf(control)}${signOfAll(placebos)}`](evidenceWords(constraint))
    : WITHOUT_PLACEBO[signOf(control)];
  return [`${conclusion}.`, `${numbers.join("; ")}.`];
}

/** By the sign against the control and that against the placebos. */
const CONCLUSIONS: Readonly<Record<`${Sign}${Sign}`, (what: string) => string>> = {
  "++": (what) => `The treatment gains, and ${what} are the cause of it`,
  "+0": (what) =>
    `The treatment gains, but ${what} themselves add nothing that can be told from chance: what ` +
    "gains is the constraint, whatever it is told",
  "+-": (what) => `The treatment gains, but less than its placebo: wrong ones of ${what} do better`,
  "0+": (what) =>
    `No gain over further training that can be told from chance; ${what} help beside wrong ones, ` +
    "so a smaller weight may gain",
  "00": () => "Nothing that can be told from chance: further training alone does as well",
  "0-": (what) =>
    `No gain over further training that can be told from chance, and wrong ones of ${what} do ` +
    "better",
  "-+": (what) =>
    `The treatment loses, though less than its placebo: ${what} help, the constraint costs more; ` +
    "try a smaller weight",
  "-0": () => "The treatment loses, whatever it is told: leave it, or try a smaller weight",
  "--": () => "The treatment loses, and to its placebo too: leave it",
};

const WITHOUT_PLACEBO: Readonly<Record<Sign, string>> = {
  "+": "The treatment gains; without a placebo among the arms its cause is not known",
  "0": "Nothing that can be told from chance: further training alone does as well",
  "-": "The treatment loses: leave it, or try a smaller weight",
};

/** What a constraint rests on. */
function evidenceWords(constraint: Constraint): string {
  const terms = termsOf(constraint);
  const words = { channel: "kernels", space: "masks" };
  return `the ${[...terms].reverse().map((term) => words[term]).join(" and ")}`;
}

/** Other numbers in which the treated model differs from the control beyond chance. */
function besides(arms: readonly string[], { accuracy: _, ...others }: EvidenceByName): string {
  const found = Object.entries(others).flatMap(([name, of]) => {
    const control = between(of, TREATED, CONTROL);
    if (!control?.isBeyondChance) return [];
    const placebos = placebosIn(arms, of);
    const beside = placebos.map((placebo) =>
      `, over ${placebo.against} ${numbersOf(placebo)}` +
      (placebo.isBeyondChance ? "" : ", chance explains it")
    );
    return [`${name} ${numbersOf(control)}${beside.join("")}`];
  });
  return found.length === 0 ? "" : `Beyond chance over the control too: ${found.join("; ")}.`;
}

const placebosIn = (arms: readonly string[], of: readonly Evidence[]): Evidence[] =>
  arms.filter(isPlacebo).map((arm) => between(of, TREATED, arm)!);

/** How the treatment stands beside arms that are no placebos. */
function remedies(arms: readonly string[], accuracy: readonly Evidence[]): string {
  const others = arms.filter((arm) => ![CONTROL, TREATED].includes(arm) && !isPlacebo(arm));
  if (others.length === 0) return "";
  const beside = others.map((arm) => between(accuracy, TREATED, arm)!);
  const list = (sign: Sign) =>
    beside.filter((of) => signOf(of) === sign).map((of) => `${of.against} (${numbersOf(of)})`)
      .join(", ");
  const [better, worse] = [list("-"), list("+")];
  return [
    better && `Beyond chance better than treated: ${better}.`,
    worse && `Beyond chance worse than treated: ${worse}.`,
    !better && !worse && `No other arm (${others.join(", ")}) can be told from treated.`,
  ].filter(Boolean).join(" ");
}

/** What the constraint adds to other remedies. */
const additions = (accuracy: readonly Evidence[]): string =>
  accuracy.filter(isAddition).map((of) =>
    `On top of ${of.against} the constraint ${
      {
        "+": "adds",
        "-": "loses",
        "0": "changes nothing that can be told from chance:",
      }[signOf(of)]
    } ${numbersOf(of)}.`
  ).join(" ");

/** A trial without the treatment: every arm against the control. */
function ofArms(evidence: readonly Evidence[]): string {
  const accuracy = evidence.filter(({ against }) => against === CONTROL);
  const words = accuracy.map((of, i) =>
    `${i === 0 ? of.arm[0].toUpperCase() + of.arm.slice(1) : of.arm} minus control ${
      numbersOf(of)
    } points of test accuracy` +
    (of.isBeyondChance ? ", more than chance explains" : ", chance explains it")
  );
  return `${words.join("; ")}.`;
}

const numbersOf = ({ difference, interval }: Evidence): string => inPoints(difference, interval);
