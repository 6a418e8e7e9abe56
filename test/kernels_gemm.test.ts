/** Matrix products against a float64 loop: all four layouts, odd extents, every target. */
import assert from "node:assert/strict";
import { generalMatmul, matmul, type MatmulShape } from "../engine/gpu/kernels/gemm.ts";
import type { Target } from "../engine/gpu/kernels/target.ts";
import { noise, relativeError, runKernel, testTargets } from "./support/gpu.ts";

const SIZES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 4, 8],
  [3, 5, 7],
  [8, 8, 8],
  [10, 12, 6],
  [33, 10, 64],
  [64, 36, 20],
  [5, 8, 127],
  [4, 4, 640],
];

function reference({ m, n, k, transA, transB }: MatmulShape, a: Float32Array, b: Float32Array) {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      for (let l = 0; l < k; l++) {
        c[i * n + j] += a[transA ? l * m + i : i * k + l] * b[transB ? j * k + l : l * n + j];
      }
    }
  }
  return c;
}

async function check(s: MatmulShape, make: typeof matmul, ...rest: [] | [Target]): Promise<void> {
  const a = noise(s.m * s.k, 1), b = noise(s.k * s.n, 2);
  const { kernel, splits } = make(s, ...rest);
  const size = s.m * s.n;
  const [once, again] = await runKernel(kernel, [a, b], size * splits, 2);
  assert.deepEqual(new Uint32Array(once.slice().buffer), new Uint32Array(again.slice().buffer));
  const c = new Float32Array(size);
  for (let i = 0; i < once.length; i++) c[i % size] += once[i];
  const error = relativeError(c, reference(s, a, b));
  assert.ok(error < 1e-5, `${kernel.label}: relative error ${error}`);
}

const targets = await testTargets();
let turn = 0;
for (const [m, n, k] of SIZES) {
  for (const transA of [false, true]) {
    for (const transB of [false, true]) {
      const target = targets[turn++ % targets.length];
      const s = { m, n, k, transA, transB };
      Deno.test(`matmul ${matmul(s).kernel.label.slice(7)}`, () => check(s, matmul, target));
    }
  }
}

for (const transA of [false, true]) {
  for (const transB of [false, true]) {
    Deno.test(`general matmul, transA ${transA}, transB ${transB}`, async () => {
      await check({ m: 6, n: 8, k: 300, transA, transB }, generalMatmul);
    });
  }
}

Deno.test("a small product over a long inner dimension is split", () => {
  const s = { m: 8, n: 8, k: 4096, transA: true, transB: false };
  assert.ok(matmul(s).splits > 1);
  assert.equal(matmul(s).kernel.flops, 2 * 8 * 8 * 4096);
});
