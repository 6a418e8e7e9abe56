/** The cells of a search: each choice of one value of every setting that an arm has. */

import { canonicalText, type Settings } from "../../io/canonical.ts";
import { type ArmName, armOf, type ArmOptions, armOptions } from "../arms/arms.ts";
import { termsOf } from "../constraint.ts";
import type { Treatment } from "../treatment.ts";

/** The values of each setting that is searched, by its name; a list of layers is written a+b. */
export type Grid = Readonly<Record<string, readonly (string | number)[]>>;

/** What settings come to: how a model is trained on. */
export interface Tried {
  readonly arm: ArmName;
  readonly treatment: Treatment;
  readonly options: ArmOptions;
}

/** One value of each setting that its arm has, and what it comes to. */
export interface Cell extends Tried {
  /** Tells it from the others of its sweep: the settings that vary. Its file's and stage's name. */
  readonly name: string;
  readonly settings: Readonly<Record<string, string | number>>;
}

/**
 * The cells of a grid, each once: of a term that is off nothing counts, nor do the images and the
 * threshold that kernels are found by where the channel-wise term is; for an arm without the
 * constraint only its own options count. What has neither term is the control and no cell.
 * @param triedOf what settings come to
 */
export function cellsOf(
  grid: Grid,
  triedOf: (settings: Cell["settings"]) => Tried,
): Cell[] {
  const distinct = new Map<string, Cell>();
  for (const arm of grid[ARM_AXIS] ?? ["treated"]) {
    const axes = Object.keys(grid).filter((axis) => counts(`${arm}`, axis));
    const own = Object.fromEntries(
      axes.map((axis) => [axis, axis === ARM_AXIS ? [arm] : grid[axis]]),
    );
    const varied = variedAxes(grid).filter((axis) => axis in own);
    for (const settings of combinations(own)) {
      const tried = triedOf(settings);
      if (armOf(tried.arm).isConstrained && termsOf(tried.treatment.constraint).length === 0) {
        continue;
      }
      const key = canonicalText(whatCounts(tried));
      if (distinct.has(key)) continue;
      const words = varied.map((axis) => axis === ARM_AXIS ? arm : `${axis} ${settings[axis]}`);
      distinct.set(key, { name: words.join(" ") || "cell", settings, ...tried });
    }
  }
  return withFileNames([...distinct.values()]);
}

/** Every choice of one value of each setting. */
function combinations(grid: Grid): Cell["settings"][] {
  let all: Cell["settings"][] = [{}];
  for (const [key, values] of Object.entries(grid)) {
    all = all.flatMap((of) => values.map((value) => ({ ...of, [key]: value })));
  }
  return all;
}

/** Whether a setting is one of an arm's: its own option, or the constraint's where it has that. */
function counts(arm: string, axis: string): boolean {
  const { isConstrained = false, options } = armOf(arm);
  return axis === ARM_AXIS || axis in options || (isConstrained && !(axis in armOptions));
}

/** The cells with names that files can have, still different from each other. */
function withFileNames(cells: readonly Cell[]): Cell[] {
  const taken = new Map<string, number>();
  return cells.map((cell) => {
    const plain = cell.name.replace(/[^\w.+ -]/g, "_");
    const times = (taken.get(plain) ?? 0) + 1;
    taken.set(plain, times);
    return { ...cell, name: times > 1 ? `${plain} (${times})` : plain };
  });
}

/** The settings of which there are several values. */
export const variedAxes = (grid: Grid): string[] =>
  Object.keys(grid).filter((axis) => grid[axis].length > 1);

/** The axis of a grid along which the arms are. */
export const ARM_AXIS = "arm";

/** What is tried, without what has no effect in it. */
function whatCounts({ arm, treatment, options }: Tried): Settings {
  const { isConstrained, options: table } = armOf(arm);
  const values = options as Readonly<Record<string, unknown>>;
  const own = Object.fromEntries(Object.keys(table).map((key) => [key, values[key]]));
  if (!isConstrained) return { arm, ...own };
  const { constraint, theta, imagesPerClass } = treatment;
  const terms = termsOf(constraint).map((term) => [term, constraint[term]]);
  const kernels = constraint.channel.weight !== 0 && { theta, imagesPerClass };
  return { arm, ...own, ...Object.fromEntries(terms), ...kernels };
}

/** How many cells each arm has. */
export const triesOf = (cells: readonly Cell[]): Map<string, number> =>
  new Map([...Map.groupBy(cells, ({ arm }) => arm)].map(([arm, { length }]) => [arm, length]));
