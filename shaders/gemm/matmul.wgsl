// Matrix product of any shape: the general kernel. Products whose rows are whole vec4s run as 1 x 1
// convolutions instead (see engine/gpu/kernels/gemm.ts).
//
//   c[i,j] = sum over l of a[i,l] b[l,j]
//
// Layouts, float32, row-major: a [M, K], or [K, M] if TRANSPOSE_A; b [K, N], or [N, K] if
// TRANSPOSE_B; parts [SPLITS, M, N]. Each split sums a run of l; adding the splits in order gives c.
//
// Mapping: one thread computes 4 x 4 elements of one split, neighbouring threads along a row of c.
// For each l it loads four elements of a and four of b. Rows and columns past the edge repeat the
// last one and are not stored.
// Cost: 2 M N K operations; a, b and SPLITS times c move at least once; half a load a multiply-add.

const M: u32 = 8u;
const N: u32 = 8u;
const K: u32 = 8u;
const TRANSPOSE_A: bool = false;
const TRANSPOSE_B: bool = false;
const SPLITS: u32 = 1u;

const TILES_M: u32 = (M + 3u) / 4u;
const TILES_N: u32 = (N + 3u) / 4u;
const SPLIT: u32 = (K + SPLITS - 1u) / SPLITS;

// begin operands
@group(0) @binding(0) var<storage, read> a: array<f32>;
fn load_a(i: u32) -> f32 {
  return a[i];
}
@group(0) @binding(1) var<storage, read> b: array<f32>;
fn load_b(i: u32) -> f32 {
  return b[i];
}
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;
// end operands

fn a_at(i: u32, l: u32) -> f32 {
  let row = min(i, M - 1u);
  return load_a(select(row * K + l, l * M + row, TRANSPOSE_A));
}

fn b_at(l: u32, j: u32) -> f32 {
  let column = min(j, N - 1u);
  return load_b(select(l * N + column, column * K + l, TRANSPOSE_B));
}

// begin workgroup_number
// The number of a workgroup: a dispatch of more than fit one dimension goes on in the second.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// end workgroup_number

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = workgroup_number(workgroup, workgroups) * 64u + local;
  let column = thread % TILES_N * 4u;
  let row = thread / TILES_N % TILES_M * 4u;
  let split = thread / (TILES_N * TILES_M);
  if (split >= SPLITS) {
    return;
  }
  // @registers
  var sum: array<vec4<f32>, 4>;
  let end = min((split + 1u) * SPLIT, K);
  for (var l = split * SPLIT; l < end; l++) {
    let right = vec4<f32>(
      b_at(l, column), b_at(l, column + 1u), b_at(l, column + 2u), b_at(l, column + 3u));
    // @unroll
    for (var i = 0u; i < 4u; i++) {
      sum[i] += a_at(row + i, l) * right;
    }
  }
  // @unroll
  for (var i = 0u; i < 4u; i++) {
    // @unroll
    for (var j = 0u; j < 4u; j++) {
      if (row + i < M && column + j < N) {
        parts[(split * M + row + i) * N + column + j] = sum[i][j];
      }
    }
  }
}
