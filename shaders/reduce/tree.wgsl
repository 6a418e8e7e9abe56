// y[s, o, n] = combine over the l of part s of f(x0[o, l, n], x1[o, l, n], ...), for GPUs
//
// The same reduction as reduce.wgsl, of the middle of [OUTER, LENGTH, INNER], where there are too few
// results to give each a thread: a workgroup takes COLUMNS neighbouring n and a run of l, its
// threads share the l and combine what they have in workgroup memory.
//
// Layout   inputs as in map.wgsl over [OUTER, LENGTH, INNER]; y is [SPLITS, OUTER, INNER]
// Threads  workgroup -> (column tile, o, split); thread -> (lane, column), columns first, so that
//          neighbours read neighbouring elements. A lane takes every LANES-th l of its part, in
//          UNROLL sums, so that as many loads are under way at once.
// Order    a thread's sums, then the lanes pairwise, then (a second dispatch) the parts: fixed, so the
//          same bits come out every time; and such sums have small rounding errors.
// Cost     one operation and the chain's for each element; every operand read once
//
// The regions hold an example, the sum of x0 * x0; the plan puts the chain at hand there.

const OUTER: u32 = 1u;
const LENGTH: u32 = 1024u; // in elements of F where F runs along l
const INNER: u32 = 16u; // in elements of F where F runs along n
const SPLITS: u32 = 4u;
const COLUMNS: u32 = 16u;
const LANES: u32 = 16u; // a power of two
const UNROLL: u32 = 4u;

const THREADS: u32 = COLUMNS * LANES;
const COLUMN_TILES: u32 = (INNER + COLUMNS - 1u) / COLUMNS;
const PART: u32 = (LENGTH + SPLITS - 1u) / SPLITS;

// begin types
alias F = vec4<f32>;
alias U = vec4<u32>;
// end types

// begin operands
@group(0) @binding(0) var<storage, read> x0: array<vec4<f32>>;
fn load_x0(i: u32) -> vec4<f32> {
  return x0[i];
}
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
// end operands

// begin combine
alias E = F;
fn identity() -> E {
  return F(0.0);
}
fn combine(a: E, b: E) -> E {
  return a + b;
}
fn choose(a: E, b: E, second: bool) -> E {
  return select(a, b, second);
}
// end combine

// begin result
fn store(i: u32, sum: E) {
  y[i] = sum;
}
// end result

var<workgroup> partial: array<E, THREADS>;

// begin workgroup_number
// The number of a workgroup: a dispatch of more than fit one dimension goes on in the second.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// end workgroup_number

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let block = workgroup_number(workgroup, workgroups);
  let column = block % COLUMN_TILES * COLUMNS + local % COLUMNS;
  let o = block / COLUMN_TILES % OUTER;
  let s = block / (COLUMN_TILES * OUTER);
  if (s >= SPLITS) {
    return;
  }
  // Threads past the last column do it again and don't store.
  let n = min(column, INNER - 1u);
  let lane = local / COLUMNS;
  // begin steady
  // Operands that depend on n alone.
  // end steady
  // @registers
  var total: array<E, UNROLL>;
  // @unroll
  for (var u = 0u; u < UNROLL; u++) {
    total[u] = identity();
  }
  let end = min((s + 1u) * PART, LENGTH);
  for (var first = s * PART + lane; first < end; first += UNROLL * LANES) {
    // @unroll
    for (var u = 0u; u < UNROLL; u++) {
      // What is past the end is loaded in its place and left out, without a branch in between.
      let l = min(first + u * LANES, end - 1u);
      let i = (o * LENGTH + l) * INNER + n;
      // begin chain
      let x0 = load_x0(i);
      let v0 = x0 * x0;
      let value = v0;
      // end chain
      total[u] = choose(total[u], combine(total[u], value), first + u * LANES < end);
    }
  }
  var sum = total[0];
  // @unroll
  for (var u = 1u; u < UNROLL; u++) {
    sum = combine(sum, total[u]);
  }
  partial[local] = sum;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      sum = combine(sum, partial[local + half * COLUMNS]);
      partial[local] = sum;
    }
  }
  if (lane == 0u && column < INNER) {
    store((s * OUTER + o) * INNER + n, sum);
  }
}
