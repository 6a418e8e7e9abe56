/**
 * The engine as a library: tensors, operations and their derivatives of any order, networks, and
 * what computes and trains them by WebGPU.
 *
 *     import { conv2d, grad, requestGpu, Runtime, sum, Variable } from "@model-doctor/engine";
 *
 * Nothing that is reached from here asks for more than WebGPU and the language, so it runs in a
 * browser as it does in Deno (test/library.test.ts holds it to that). What needs a machine around
 * it is behind one door, host/mod.ts, which is "@model-doctor/engine/host"; the classifiers are
 * "@model-doctor/engine/models". Shaders are imported as text: bundlers need a loader for .wgsl.
 */

// Errors that say what was wrong and what to do.
export { ExitCode, UserError } from "./errors.ts";

// The device, plans on it, and what is read back.
export { type Gpu, type GpuOptions, type LimitName, requestGpu } from "./gpu/adapter.ts";
export type { AdapterFacts, AdapterName } from "./gpu/adapter_name.ts";
export { exact, type Target, targetFor, type TargetName } from "./gpu/kernels/target.ts";
export { type Feed, type OutputCopy, Plan, type PlanSpec } from "./plan/plan.ts";
export { Runtime } from "./plan/runtime.ts";

// Tensors, operations, differentiation.
export * from "./tensor/mod.ts";

// Networks: layers, a pass over them, their state by PyTorch's names.
export * from "./nn/activations.ts";
export * from "./nn/layers.ts";
export * from "./nn/normalisations.ts";
export * from "./nn/resampling.ts";
export {
  type Initializer,
  type Layout,
  Module,
  ModuleList,
  Parameter,
  type Pass,
  type PassOptions,
  type PassResult,
  run,
  Sequential,
} from "./nn/module.ts";
export { observe, type Observed } from "./nn/observe.ts";
export {
  checkStateDict,
  initialize,
  loadStateDict,
  resetState,
  type StateDict,
  stateDict,
} from "./nn/state.ts";
export { describeNetwork, type Stage } from "./nn/describe.ts";
export { type ModuleSummary, type NetworkSummary, summarizeNetwork } from "./nn/summary.ts";

// State dicts as bytes.
export type { HostTensor } from "./io/host_tensor.ts";
export { decodeSafetensors, encodeSafetensors, type Safetensors } from "./io/safetensors.ts";

// Data in memory, or read batch by batch.
export {
  type Augmentation,
  type DataSet,
  type ImageSource,
  type Labels,
  limit,
  type Masks,
  masksOfAll,
  NO_MASK,
  type Preparation,
  type Size,
  type Split,
  splitValidation,
  subset,
} from "./data/dataset.ts";

// Training: optimizers, a step, the loop; what a network says of many images.
export { adam } from "./train/optimizers/adam.ts";
export type { Optimizer, OptimizerOptions, Trained } from "./train/optimizers/optimizer.ts";
export { type OptimizerName, optimizerOf, OPTIMIZERS } from "./train/optimizers/optimizers.ts";
export type { SamOptions } from "./train/optimizers/sam.ts";
export { sgd } from "./train/optimizers/sgd.ts";
export { StepState } from "./train/state.ts";
export { type Batch, forward, type StepGraph, type Transform } from "./train/graph.ts";
export {
  classification,
  type LossOptions,
  type Objective,
  type Penalty,
  type PenaltyTerm,
  type Strength,
} from "./train/loss.ts";
export { type StepOptions, type Trainable, TrainingStep } from "./train/step.ts";
export { balanced, type Order, shuffled, upweighted } from "./train/order.ts";
export type { LrSchedule } from "./train/rate.ts";
export type { AverageOptions } from "./train/average.ts";
export type { Selection, Validation } from "./train/select.ts";
export type { Schedule } from "./train/schedule.ts";
export type { TrainOptions, TrainProgress, TrainResult } from "./train/options.ts";
export { train } from "./train/train.ts";
export type { Checkpoint, CheckpointStore, EpochRecord, Position } from "./train/checkpoint.ts";
export type { Settings } from "./io/canonical.ts";
export type { Observer } from "./train/observer.ts";
export { type Logits, Predictor, predictSplit } from "./train/predict.ts";
export { type Accuracy, accuracy, type Prediction, predictions } from "./train/predictions.ts";
