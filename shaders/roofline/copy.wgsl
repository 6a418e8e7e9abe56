// The memory bandwidth that a kernel can have: y[i] = x[i].
//
// Layout   x and y: vec4s, more of them than caches hold
// Threads  one invocation for each vec4; neighbours copy neighbours
// Cost     no operations; every byte read once and written once

// begin operands
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
fn load_x(i: u32) -> vec4<f32> {
  return x[i];
}
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
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
  if (i < arrayLength(&x)) {
    y[i] = load_x(i);
  }
}
