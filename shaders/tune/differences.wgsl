// differing[0] += number of i whose bits a[i] and b[i] differ; counts are whole numbers, so the order
// in which they are added does not matter.
//
// Layout   a, b: arrays of one length; differing [1] (u32), zero at first
// Threads  one invocation an element
// Cost     no arithmetic; a and b read once

const COUNT: u32 = 1024u;

// begin operands
@group(0) @binding(0) var<storage, read> a: array<u32>;
fn load_a(i: u32) -> u32 {
  return a[i];
}
@group(0) @binding(1) var<storage, read> b: array<u32>;
fn load_b(i: u32) -> u32 {
  return b[i];
}
@group(0) @binding(2) var<storage, read_write> differing: array<atomic<u32>>;
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
  if (i < COUNT && load_a(i) != load_b(i)) {
    atomicAdd(&differing[0], 1u);
  }
}
