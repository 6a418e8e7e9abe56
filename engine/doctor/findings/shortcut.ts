/**
 * A shortcut: the network goes by the background. Where masks are known, figures are put on other
 * backgrounds (../probes/exchange.ts); where the kinds of background are known, images on their
 * class's own background are compared with those on others. The gradient's place is told with it,
 * but it proves nothing: a network that goes by the background still has most of its gradient at
 * the figure's edges, and one that doesn't has most of it outside of small figures.
 */

import { pairingsOf } from "../../data/groups.ts";
import { backgroundKernels } from "../background.ts";
import { byGroup, type Share } from "../class_measures.ts";
import type { ExchangeResult } from "../probes/exchange.ts";
import type { ForegroundResult } from "../probes/foreground.ts";
import { inCommon } from "../significance.ts";
import { type Evidence, type FindingKind, judgedOf, LEVEL } from "./finding.ts";
import { interval, percent, probability, shareInWords } from "../words.ts";

/** Points of accuracy: less is hardly worth a treatment, which may cost as much. */
const SMALLEST_GAP = 0.05;
/** Each of two comparisons may make the claim. */
const COMPARISONS = 2;

export const shortcut: FindingKind = {
  name: "shortcut",
  words: "a shortcut over the background",
  lacking: (evidence) =>
    evidence.exchange || groupsOf(evidence)
      ? undefined
      : "neither masks nor kinds of backgrounds are known",
  find(evidence) {
    const claims = [exchangeClaim(evidence.exchange), groupClaim(evidence)]
      .filter((claim) => claim !== undefined);
    const severity = Math.max(...claims.map(({ gap }) => gap));
    if (!claims.some(({ gap, p }) => gap >= SMALLEST_GAP && p * COMPARISONS < LEVEL)) return;
    return {
      claim: "The network goes by the background.",
      evidence: [
        ...claims.map(({ words }) => words),
        ...gradient(evidence.foreground),
        ...kernels(evidence),
      ],
      advice: "Train on figures whose background tells nothing: collect images of each class on " +
        "the backgrounds of others, or, where there are masks, show its figures on other images' " +
        "backgrounds (deno task treat --arms control,treated,placebo,swap).",
      severity,
    };
  },
  helped:
    "On shapes at correlation 0.9, over ten seeds, exchanged backgrounds (swap) gained 27.99 " +
    "points of accuracy over the control. A constraint on what backgrounds change (--alpha 0 " +
    "--space-form counterfactual --beta-kappa 3) gained 5.62, of which 3.01 were more than masks " +
    "of other images gave.",
};

/** A difference in accuracy, and how probable it is by chance. */
interface Claim {
  readonly gap: number;
  readonly p: number;
  readonly words: string;
}

function exchangeClaim(of: ExchangeResult | undefined): Claim | undefined {
  if (!of || of.gap === null || of.interval === null) return undefined;
  const { gap, mcnemar: { p } } = of;
  return {
    ...{ gap, p },
    words: `On the background of another image of their class ${shareInWords(of.same)} of the ` +
      `figures are classified right, on one of another class ${shareInWords(of.other)}: ` +
      `${(100 * gap).toFixed(1)} points (${interval(of.interval)}; ${probability(p)}).`,
  };
}

function groupClaim(evidence: Evidence): Claim | undefined {
  const groups = groupsOf(evidence);
  if (!groups) return undefined;
  const [own, other] = groups;
  const wrong = ({ images, correct }: Share) => images - correct;
  const all = own.images + other.images;
  const p = inCommon(wrong(other), other.images, wrong(own) + wrong(other), all);
  return {
    ...{ gap: own.accuracy! - other.accuracy!, p },
    words: `Of the ${judgedOf(evidence).name} images on their class's own background ` +
      `${shareInWords(own)} are classified right, of those on another ${shareInWords(other)}: ` +
      `${probability(p)}.`,
  };
}

/** The images on their class's own background, and those on others, where there are both. */
function groupsOf(evidence: Evidence): Share[] | undefined {
  const { split, predicted } = judgedOf(evidence);
  const groups = pairingsOf(split);
  const shares = groups && byGroup(predicted, groups.of, groups.names.length);
  return shares?.every(({ images }) => images > 0) ? shares : undefined;
}

/** How many kernels of a class have their evidence in the background (../background.ts). */
function kernels({ layers }: Evidence): string[] {
  return layers.flatMap(({ layer, classes, channels, evidence }) => {
    if (!evidence) return [];
    const own = backgroundKernels(evidence).reduce((sum, value) => sum + value, 0) / classes;
    return [
      `At ${layer} ${own.toFixed(1)} of ${channels} kernels of a class, on average, have their ` +
      "evidence in the background by more than its area says.",
    ];
  });
}

function gradient(of: ForegroundResult | undefined): string[] {
  if (!of || of.saliency === null || of.area === null) return [];
  return [
    `${percent(1 - of.saliency)} of the gradient at the image lies outside of the figure, and ` +
    `${percent(1 - of.area)} of the area.`,
  ];
}
