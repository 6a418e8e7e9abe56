/**
 * The part of jax-js that is compared. Its own types can't be used: checking this project would
 * then download it.
 */

/** Passing one to a function gives it away; `ref` keeps it. */
export interface JaxArray {
  readonly shape: readonly number[];
  readonly ref: JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  add(other: JaxArray | number): JaxArray;
  sub(other: JaxArray | number): JaxArray;
  mul(other: JaxArray | number): JaxArray;
  sum(): JaxArray;
  data(): Promise<Float32Array<ArrayBuffer>>;
  gpuBufferSync(): GPUBuffer;
  dispose(): void;
}

export type JaxTree = Record<string, JaxArray>;

type Pull = ((cotangent: JaxArray) => JaxArray[]) & { dispose(): void };

export interface Jax {
  init(device: "webgpu"): Promise<readonly string[]>;
  defaultDevice(device: "webgpu"): void;
  jit<F>(f: F): F;
  vjp(f: (...x: JaxArray[]) => JaxArray, primals: readonly JaxArray[]): [JaxArray, Pull];
  valueAndGrad(f: (tree: JaxTree) => JaxArray): (tree: JaxTree) => [JaxArray, JaxTree];
  blockUntilReady(tree: JaxTree): Promise<unknown>;
  readonly lax: {
    convGeneralDilated(x: JaxArray, w: JaxArray, strides: number[], padding: "SAME"): JaxArray;
  };
  readonly nn: {
    relu(x: JaxArray): JaxArray;
    logSoftmax(x: JaxArray): JaxArray;
    oneHot(labels: JaxArray, classes: number): JaxArray;
  };
  readonly numpy: {
    array(data: Float32Array | Int32Array): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    max(x: JaxArray, axes: readonly number[]): JaxArray;
  };
  readonly tree: {
    ref(tree: JaxTree): JaxTree;
    map(f: (...leaves: JaxArray[]) => JaxArray, ...trees: JaxTree[]): JaxTree;
    dispose(tree: JaxTree): void;
  };
}
