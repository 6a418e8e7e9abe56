/**
 * Predictions while noise is added to a layer's output: uniform noise of zero mean whose standard
 * deviation is a multiple of the output's own over the images, so that a strength means the same
 * at every layer and in every model. The draws are a function of seed, image and draw, the same at
 * every strength: a curve is of one noise that grows.
 */

import * as v from "valibot";
import { finite } from "../../io/json.ts";
import type { Batches } from "../../data/batch.ts";
import { observe } from "../../nn/observe.ts";
import { concat, reshape } from "../../tensor/movement.ts";
import { add, mul, square } from "../../tensor/pointwise.ts";
import { noise as uniformNoise } from "../../tensor/random.ts";
import { mean } from "../../tensor/reduce.ts";
import { Input, type Tensor } from "../../tensor/tensor.ts";
import { RowCollector } from "../../train/collect.ts";
import { type Observer, partOf } from "../../train/observer.ts";
import { predictedColumn } from "./attack.ts";
import {
  accuracyPoints,
  accuracyScalars,
  defineProbe,
  type Measure,
  type Point,
  pointSchema,
  type Subject,
} from "./probe.ts";

/** Accuracy under feature noise, by its standard deviation in multiples of the layer's own. */
export interface NoiseResult {
  readonly layer: string;
  /** The layer's standard deviation over these images. */
  readonly unit: number;
  readonly points: readonly Point[];
}

export const noise = defineProbe({
  name: "noise",
  help: "accuracy under noise on the map that feeds the head",
  words: "noise",
  usual: true,
  options: {
    noiseLevels: {
      type: "list",
      of: "number",
      above: 0,
      max: 1000,
      default: [1, 2, 3],
      help: "noise: its standard deviations, in those of the feature map",
    },
    noiseDraws: {
      type: "integer",
      min: 1,
      max: 10000,
      default: 3,
      help: "noise: how often each image is disturbed",
    },
  },
  schema: v.looseObject({ layer: v.string(), unit: finite, points: v.array(pointSchema) }),
  make: async (subject, { noiseLevels, noiseDraws: draws }): Promise<Measure<NoiseResult>> => {
    const { featureLayer: layer, split } = subject;
    const levels = [0, ...noiseLevels];
    const measure = await NoiseMeasure.make(subject, { layer, levels, draws });
    return {
      measure: async (observer) => {
        const { unit, predicted } = await measure.measure(observer);
        const accuracy = (i: number) => agreement(predicted[i], split.labels);
        const points = levels.map((strength, i) => ({ strength, accuracy: accuracy(i) }));
        return { layer, unit, points };
      },
      destroy: () => measure.destroy(),
    };
  },
  scalars: ({ points }) => accuracyScalars(points, (strength) => `noise ${strength}`),
  curves: ({ layer, points }) => [{
    ...{ title: "Feature noise", x: "noise, in standard deviations", y: "accuracy, percent" },
    caption: `Accuracy with noise added to the output of ${layer}.`,
    range: [0, 100],
    points: accuracyPoints(points),
  }],
});

/** Half the width of uniform noise with a standard deviation of 1. */
const HALF_WIDTH = Math.sqrt(3);

export interface NoiseOptions {
  readonly layer: string;
  /** Standard deviations of the noise, in multiples of the layer's own. */
  readonly levels: readonly number[];
  /** How often each image is disturbed at each level. */
  readonly draws: number;
  /** What the network is given, where it isn't the split's images as they are. */
  readonly images?: (batches: Batches) => Tensor;
  /** What the levels are multiples of, where it isn't the deviation over these images. */
  readonly unit?: number;
}

export interface NoisyPredictions {
  /** What the levels are multiples of: the standard deviation over images and elements. */
  readonly unit: number;
  /** For each level the predicted classes, row-major [n, draws]. */
  readonly predicted: readonly Float32Array[];
}

export class NoiseMeasure implements Measure<NoisyPredictions> {
  private constructor(
    private readonly moments: RowCollector | undefined,
    private readonly rows: RowCollector,
    private readonly width: Input,
    private readonly options: NoiseOptions,
    private readonly seed: number,
  ) {}

  static async make(subject: Subject, options: NoiseOptions): Promise<NoiseMeasure> {
    const { runtime, network, set, split, batch, seed } = subject;
    const { layer: disturbed, draws, images = ({ images }) => images, unit } = options;
    const width = new Input("half width", []);
    const moments = unit === undefined ? await momentsOf(subject, disturbed, images) : undefined;
    // A plan merges equal nodes, so the draws share everything before the layer.
    const rows = await RowCollector.make(runtime, set, split, batch, (batches, key) => {
      const columns = Array.from({ length: draws }, (_, draw) => {
        const stream = `noise ${draw} at ${disturbed}`;
        const tap = (name: string, x: Tensor) =>
          name === disturbed ? add(x, mul(uniformNoise(x.shape, 1, key, stream), width)) : x;
        return predictedColumn(observe(network, images(batches), { training: false, tap }).logits);
      });
      return concat(columns, 1);
    });
    return new NoiseMeasure(moments, rows, width, options, seed);
  }

  async measure(observer: Observer = {}): Promise<NoisyPredictions> {
    const { levels } = this.options;
    const parts = levels.length + 1;
    const unit = this.moments
      ? deviationOf(await this.moments.collect(0, partOf(observer, 0, parts)))
      : this.options.unit!;
    const predicted: Float32Array[] = [];
    for (const [i, level] of levels.entries()) {
      const feeds = [[this.width, level * unit * HALF_WIDTH]] as const;
      predicted.push(await this.rows.collect(this.seed, partOf(observer, i + 1, parts), feeds));
    }
    return { unit, predicted };
  }

  destroy(): void {
    this.moments?.destroy();
    this.rows.destroy();
  }
}

/** Mean and mean square of a layer's output, for each image [n, 2]. */
function momentsOf(
  { runtime, network, set, split, batch }: Subject,
  of: string,
  images: (batches: Batches) => Tensor,
): Promise<RowCollector> {
  return RowCollector.make(runtime, set, split, batch, (batches) => {
    const { layer } = observe(network, images(batches), { training: false });
    const x = layer(of);
    const average = (values: Tensor) =>
      reshape(mean(values, x.shape.map((_, d) => d).slice(1)), [x.shape[0], 1]);
    return concat([average(x), average(square(x))], 1);
  });
}

/** From each image's mean and mean square, [n, 2]. */
function deviationOf(moments: Float32Array): number {
  let [mean, square] = [0, 0];
  const n = moments.length / 2;
  for (let i = 0; i < n; i++) {
    mean += moments[2 * i] / n;
    square += moments[2 * i + 1] / n;
  }
  return Math.sqrt(Math.max(0, square - mean * mean));
}

/** The share of noisy predictions that equal the image's `wanted` class. */
export function agreement(predicted: Float32Array, wanted: ArrayLike<number>): number {
  const draws = predicted.length / wanted.length;
  let equal = 0;
  predicted.forEach((k, at) => equal += k === wanted[Math.floor(at / draws)] ? 1 : 0);
  return equal / predicted.length;
}
