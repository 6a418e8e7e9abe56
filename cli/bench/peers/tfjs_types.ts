/**
 * The part of TensorFlow.js that is compared. Its own types can't be used: checking this project
 * would then download it.
 */

export interface TfTensor {
  readonly shape: readonly number[];
  data(): Promise<Float32Array<ArrayBuffer>>;
  dispose(): void;
}

export type TfTensors = Record<string, TfTensor>;

interface Optimizer {
  minimize(loss: () => TfTensor, returnCost: true): TfTensor;
  dispose(): void;
}

export interface Tf {
  env(): { set(flag: string, value: boolean): void };
  setBackend(name: "webgpu"): Promise<boolean>;
  ready(): Promise<void>;
  tidy<T>(f: () => T): T;
  dispose(tensors: TfTensor | TfTensors): void;
  tensor(data: Float32Array | Int32Array, shape: number[], dtype: "float32" | "int32"): TfTensor;
  variable(initial: TfTensor): TfTensor;
  oneHot(labels: TfTensor, classes: number): TfTensor;
  add(a: TfTensor, b: TfTensor): TfTensor;
  matMul(a: TfTensor, b: TfTensor): TfTensor;
  relu(x: TfTensor): TfTensor;
  reshape(x: TfTensor, shape: number[]): TfTensor;
  maxPool(x: TfTensor, size: number, stride: number, padding: "valid"): TfTensor;
  conv2d(x: TfTensor, w: TfTensor, stride: number, padding: "same"): TfTensor;
  valueAndGrads(f: (...x: TfTensor[]) => TfTensor): (
    x: TfTensor[],
    dy: TfTensor,
  ) => { value: TfTensor; grads: TfTensor[] };
  readonly losses: { softmaxCrossEntropy(labels: TfTensor, logits: TfTensor): TfTensor };
  readonly train: { sgd(lr: number): Optimizer };
}
