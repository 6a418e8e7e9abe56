// y[to(i)] = x[from(i)], or 0 where the element lies outside of x: permutation, slicing, zero
// padding and the parts of a concatenation.
//
// Layout   x and y dense and row-major; an element E is four floats where all that moves together
//          comes in fours, else one
// Threads  one invocation for each element of the iteration space
// Cost     no arithmetic but the indices'; each element read and written once
//
// The region holds an example, the transpose of a 16 x 32 matrix; the caller puts the movement at
// hand there.

const COUNT: u32 = 512u;

// begin types
alias E = f32;
// end types

// begin operands
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 {
  return x[i];
}
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
// end operands

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
  let i = workgroup_number(workgroup, workgroups) * 64u + local;
  if (i >= COUNT) {
    return;
  }
  // begin movement
  let d0 = i / 16u;
  let d1 = i % 16u;
  let inside = true;
  let source = d1 * 32u + d0;
  let target_ = i;
  // end movement
  if (inside) {
    y[target_] = load_x(source);
  } else {
    y[target_] = E();
  }
}
