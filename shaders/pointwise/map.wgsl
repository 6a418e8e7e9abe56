// y[i] = f(x0[i], x1[i], ...): a chain of pointwise operations in one pass over memory.
//
// Layout   every buffer dense and row-major; an operand that is repeated along some axes is read
//          where its own element lies (index arithmetic of the constants of its shape)
// Threads  one invocation an element of type F: four floats where the innermost extent allows
//          (`vec4f`), else one (`f32`)
// Cost     the operations of the chain for each element; every operand read once, y written once
//
// The regions hold an example, y = max(x0 + x1, 0) with x1 repeated over rows of 64; the plan puts
// the chain at hand there.

const COUNT: u32 = 1024u; // elements of type F

// begin types
alias F = vec4f;
alias U = vec4u;
// end types

// begin buffers
@group(0) @binding(0) var<storage, read> x0: array<vec4f>;
@group(0) @binding(1) var<storage, read> x1: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
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
  // begin chain
  let a = x0[i];
  let b = x1[i % 16u];
  let c = a + b;
  let d = max(c, F(0.0));
  y[i] = d;
  // end chain
}
