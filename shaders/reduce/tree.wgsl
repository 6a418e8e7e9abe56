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
alias F = vec4f;
alias U = vec4u;
// end types

// begin buffers
@group(0) @binding(0) var<storage, read> x0: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
// end buffers

// begin combine
const IDENTITY: f32 = 0.0;
fn combine(a: F, b: F) -> F {
  return a + b;
}
fn finish(a: F) -> F {
  return a;
}
// end combine

var<workgroup> partial: array<F, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let block = group.x + group.y * groups.x;
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
  var total: array<F, UNROLL>;
  // @unroll
  for (var u = 0u; u < UNROLL; u++) {
    total[u] = F(IDENTITY);
  }
  let end = min((s + 1u) * PART, LENGTH);
  for (var first = s * PART + lane; first < end; first += UNROLL * LANES) {
    // @unroll
    for (var u = 0u; u < UNROLL; u++) {
      // What is past the end is loaded in its place and left out, without a branch in between.
      let l = min(first + u * LANES, end - 1u);
      let i = (o * LENGTH + l) * INNER + n;
      // begin chain
      let a = x0[i];
      let b = a * a;
      let value = b;
      // end chain
      total[u] = select(total[u], combine(total[u], value), first + u * LANES < end);
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
    y[(s * OUTER + o) * INNER + n] = finish(sum);
  }
}
