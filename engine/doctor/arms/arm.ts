/**
 * An arm of a trial: how one model trains on from the baseline. Every arm starts at the same
 * weights and sees the same images in the same order, so what its recipe changes is the only
 * difference. An arm is one file here and a line in the table (arms.ts). Flags, their help, tables,
 * reports, summaries over seeds and searches follow from what the file says.
 */

import type { DataSet, Split } from "../../data/dataset.ts";
import type { Settings } from "../../io/canonical.ts";
import type { Module } from "../../nn/module.ts";
import type { StateDict } from "../../nn/state.ts";
import type { OptionTable, Values } from "../../options.ts";
import type { Runtime } from "../../plan/runtime.ts";
import type { TrainOptions } from "../../train/options.ts";
import type { ClassKernels } from "../forms/form.ts";
import type { StageSettings, Treatment } from "../treatment.ts";

/** What an arm can't do without; see needs.ts. */
export type ArmNeed =
  | ("constraint" | "evidence" | "masks" | "groups")
  | ("scalable head" | "whole batches");

/** The parts of a training that a recipe puts others in the place of. */
type Changed =
  | ("train" | "order" | "transform")
  | ("objective" | "penalty")
  | ("optimizer" | "sam" | "trainable" | "lrSchedule")
  | ("average" | "finish");

/** What an arm's training does otherwise than the control's; {} is the control. */
export type Recipe = Partial<Pick<TrainOptions, Changed>> & {
  /** What decides its result besides the settings of every stage, for its checkpoint. */
  readonly settings?: Settings;
  /** What is said of it as it begins. */
  readonly note?: string;
};

/** What an arm trains on. The network is in the state that training starts from. */
export interface ArmSite {
  readonly runtime: Runtime;
  readonly network: Module;
  readonly set: DataSet;
  readonly split: { readonly train: Split; readonly validation: Split };
  /** The weights that all arms come from. */
  readonly baseline: StateDict;
  readonly treatment: Treatment;
  /** The kernels of each class that the baseline lives on, by layer. */
  readonly kernels: ReadonlyMap<string, ClassKernels>;
  readonly settings: StageSettings;
  /** Ends what a recipe does by itself. */
  readonly signal: AbortSignal;
}

export interface Arm<Name extends string = string, Options extends OptionTable = OptionTable> {
  /** By which it is asked for, and under which its weights and its outcome are kept. */
  readonly name: Name;
  /** What it is, for a reader: "trained on without the constraint". */
  readonly words: string;
  /** What it does, in a few words of help. */
  readonly help: string;
  /** The paper that it is from. */
  readonly source?: string;
  readonly needs: readonly ArmNeed[];
  /** Whether it is trained with the constraint in some way, so that what sets that sets the arm. */
  readonly isConstrained?: boolean;
  /** What can be set; keys are unique among all arms. */
  readonly options: Options;
  /** About how many of the control's steps one of its own takes, until it is measured (default 1). */
  readonly cost?: number;
  /** What makes its step larger than the control's and the treated one's, where something does. */
  readonly room?: Pick<TrainOptions, "sam">;
  recipe(site: ArmSite, options: Values<Options>): Recipe | Promise<Recipe>;
}

/** Declares an arm, so that its recipe knows the types of its options. */
export const defineArm = <const Name extends string, const Options extends OptionTable>(
  arm: Arm<Name, Options>,
): Arm<Name, Options> => arm;
