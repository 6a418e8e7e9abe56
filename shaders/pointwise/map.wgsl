// y0[i] = f(x0[i], x1[i], ...): a chain of pointwise operations in one pass over memory. It may have
// more results, y1 and so on, and a result may overwrite an operand, which is then read as y0[i].
//
// Layout   every buffer dense and row-major; an operand that is repeated along some axes is read
//          where its own element lies (index arithmetic of the constants of its shape). The
//          elements are seen as ROWS of COLUMNS, a row being the longest run over which operands
//          that repeat from row to row (a bias, a channel's statistics) do not repeat themselves.
// Threads  one invocation for ROWS_PER_THREAD elements of one column, so that what repeats from row
//          to row is loaded once; neighbours work on neighbouring columns. An element F is four
//          floats where the innermost extent allows (`vec4f`), else one (`f32`).
// Cost     the operations of the chain for each element; every operand read once, every result written once
//
// The regions hold an example, y0 = max(x0 + x1, 0) with x1 repeated over rows of 64 floats; the
// plan puts the chain at hand there.

const ROWS: u32 = 64u;
const COLUMNS: u32 = 16u; // elements of type F
const ROWS_PER_THREAD: u32 = 4u;
const WORKGROUP: u32 = 64u;

// begin types
alias F = vec4<f32>;
alias U = vec4<u32>;
// end types

// begin operands
@group(0) @binding(0) var<storage, read> x0: array<vec4<f32>>;
fn load_x0(i: u32) -> vec4<f32> {
  return x0[i];
}
@group(0) @binding(1) var<storage, read> x1: array<vec4<f32>>;
fn load_x1(i: u32) -> vec4<f32> {
  return x1[i];
}
@group(0) @binding(2) var<storage, read_write> y0: array<vec4<f32>>;
// end operands

// begin workgroup_number
// The number of a workgroup: a dispatch of more than fit one dimension goes on in the second.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// end workgroup_number

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = workgroup_number(workgroup, workgroups) * WORKGROUP + local;
  let n = thread % COLUMNS;
  let first = thread / COLUMNS * ROWS_PER_THREAD;
  // begin steady
  let x1 = load_x1(n);
  // end steady
  for (var row = first; row < min(first + ROWS_PER_THREAD, ROWS); row++) {
    let i = row * COLUMNS + n;
    // begin chain
    let x0 = load_x0(i);
    let v0 = x0 + x1;
    let v1 = select(v0, F(0.0), v0 <= F(0.0));
    y0[i] = v1;
    // end chain
  }
}
