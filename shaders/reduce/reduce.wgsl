// y[o, n] = combine over l of f(x0[o, l, n], x1[o, l, n], ...)
//
// A sum or maximum over the middle of [OUTER, LENGTH, INNER], of a chain of pointwise operations
// that is computed on the way, so what is summed never goes to memory. It may have several results,
// summed side by side in one pass over what they share (batch normalisation's backward pass sums g and
// g (x - mean)): E then holds an element of each. And what is made of the sums can be computed as they
// are stored: a channel's mean, its scale, the update of its running average.
//
// Layout   inputs as in map.wgsl over [OUTER, LENGTH, INNER]; y is [SPLITS, OUTER, INNER]
// Threads  one invocation for each (split s, o, n): it combines l = s, s + SPLITS, s + 2 SPLITS, ...
//          in that order, neighbours reading neighbouring elements. With SPLITS > 1 a second
//          dispatch of this shader combines the parts, again in a fixed order: no atomics, the
//          same bits every time, and short sums, whose rounding errors stay small.
//          F is four floats along n, or along l where INNER is 1, if that extent allows.
// Cost     one operation and the chain's for each element; every operand read once
//
// The regions hold an example, the sum of x0 * x0; the plan puts the chain at hand there.

const OUTER: u32 = 1u;
const LENGTH: u32 = 1024u; // in elements of F where F runs along l
const INNER: u32 = 16u; // in elements of F where F runs along n
const SPLITS: u32 = 4u;
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
// end combine

// begin result
fn store(i: u32, sum: E) {
  y[i] = sum;
}
// end result

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
  if (thread >= SPLITS * OUTER * INNER) {
    return;
  }
  let n = thread % INNER;
  let o = thread / INNER % OUTER;
  let s = thread / (INNER * OUTER);
  // begin steady
  // Operands that depend on n alone.
  // end steady
  var total = identity();
  for (var l = s; l < LENGTH; l += SPLITS) {
    let i = (o * LENGTH + l) * INNER + n;
    // begin chain
    let x0 = load_x0(i);
    let v0 = x0 * x0;
    let value = v0;
    // end chain
    total = combine(total, value);
  }
  store(thread, total);
}
