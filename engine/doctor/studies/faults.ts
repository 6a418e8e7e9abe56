/**
 * Faults that are planted, to see whether a diagnosis finds them: data, or a trained network, of
 * which it is known what is wrong with them. All are made from a data set that is sound: on
 * backgrounds that go with no class.
 */

import { type DataSet, type MemorySplit, subset } from "../../data/dataset.ts";
import { makeShapes } from "../../data/shapes.ts";
import { Linear } from "../../nn/layers.ts";
import type { Module } from "../../nn/module.ts";
import type { StateDict } from "../../nn/state.ts";
import { below, draws, permutation, streamId, uniform } from "../../random.ts";

/**
 * Makes a sound data set with masks, whose backgrounds go with the class as often as is asked.
 * @param images to train on, validation included
 */
export type Make = (images: number, seed: number, correlation: number) => DataSet<MemorySplit>;

/** The built-in data set. Nothing is tested, so there are few test images. */
export const shapes: Make = (images, seed, correlation) =>
  makeShapes({ seed, train: images, test: 10, correlation });

export interface Fault {
  readonly name: string;
  /** What is planted. */
  readonly words: string;
  /** The finding that it is to be found by; none where nothing is planted. */
  readonly shows?: string;
  /** Findings that are true of it as well. */
  readonly brings?: readonly string[];
  /** The share of the images whose background is their class's own; 0 if absent. */
  readonly correlation?: number;
  /** What is done to the training images, validation included. */
  spoilData?(set: DataSet<MemorySplit>, seed: number): DataSet<MemorySplit>;
  /** What is done to the trained network's weights. */
  spoilWeights?(network: Module, state: StateDict): StateDict;
}

/** Share of the training images with their class's own background, at the shortcut. */
const CORRELATION = 0.95;
/** Share of the training images whose labels change places. */
const WRONG = 0.1;
/** Share of its images that a rare class keeps. */
const KEPT = 0.05;
/** What the overconfident network's logits are multiplied by. */
const LOUDER = 3;

export const FAULTS: readonly Fault[] = [
  { name: "none", words: "nothing" },
  {
    name: "shortcut",
    words: `the background tells the class in ${100 * CORRELATION} % of the images`,
    shows: "shortcut",
    correlation: CORRELATION,
  },
  {
    name: "labels",
    words: `${100 * WRONG} % of the labels have changed places`,
    shows: "labels",
    brings: ["calibration"],
    spoilData: (set, seed) => relabelled(set, permuted(set.train.labels, seed)),
  },
  {
    name: "twins",
    words: "the images of two classes are labelled as either by chance",
    shows: "twins",
    brings: ["labels", "classes", "calibration"],
    spoilData: (set, seed) => relabelled(set, tossed(set.train.labels, seed)),
  },
  {
    name: "rare",
    words: `a class has ${100 * KEPT} % of the images that others have`,
    shows: "classes",
    spoilData: thinned,
  },
  {
    name: "overconfident",
    words: `the logits are ${LOUDER} times what was trained`,
    shows: "calibration",
    spoilWeights: louder,
  },
];

/** A data set with a fault. */
export function faulty(fault: Fault, make: Make, images: number, seed: number): DataSet {
  const set = make(images, seed, fault.correlation ?? 0);
  return fault.spoilData?.(set, seed) ?? set;
}

function relabelled(
  set: DataSet<MemorySplit>,
  labels: MemorySplit["labels"],
): DataSet<MemorySplit> {
  return { ...set, train: { ...set.train, labels } };
}

/** The labels with those of some images in the places of one another. */
function permuted(labels: MemorySplit["labels"], seed: number): MemorySplit["labels"] {
  const chosen = permutation(labels.length, seed, streamId("wrong labels"))
    .subarray(0, Math.round(WRONG * labels.length));
  const found = labels.slice();
  chosen.forEach((image, place) => found[image] = labels[chosen[(place + 1) % chosen.length]]);
  return found;
}

/** The class that a fault is planted in, and that which it is mixed with. */
const victims = (classes: number, seed: number) =>
  permutation(classes, seed, streamId("victims")).subarray(0, 2);

function tossed(labels: MemorySplit["labels"], seed: number): MemorySplit["labels"] {
  const pair = victims(Math.max(...labels) + 1, seed);
  const word = draws(seed, streamId("twins"));
  return labels.map((label, i) => pair.includes(label) ? pair[below(word(i), 2)] : label);
}

function thinned(set: DataSet<MemorySplit>, seed: number): DataSet<MemorySplit> {
  const [rare] = victims(set.classes.length, seed);
  const word = draws(seed, streamId("rare"));
  const kept = Array.from(set.train.labels.keys())
    .filter((i) => set.train.labels[i] !== rare || uniform(word(i)) < KEPT);
  return { ...set, train: subset(set.train, Uint32Array.from(kept)) };
}

/** The weights with those of the last linear layer multiplied. */
function louder(network: Module, state: StateDict): StateDict {
  const [head] = [...network.namedModules()].filter(([, m]) => m instanceof Linear).at(-1)!;
  return new Map([...state].map(([name, tensor]) => {
    if (!name.startsWith(`${head}.`)) return [name, tensor];
    return [name, { ...tensor, data: (tensor.data as Float32Array).map((w) => LOUDER * w) }];
  }));
}
