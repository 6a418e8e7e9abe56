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

// begin buffers
alias E = f32;
@group(0) @binding(0) var<storage, read> x: array<E>;
@group(0) @binding(1) var<storage, read_write> y: array<E>;
// end buffers

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 64u + lane;
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
    y[target_] = x[source];
  } else {
    y[target_] = E();
  }
}
