// The slot `pick` of gather.wgsl where channels don't come in fours: an element is one channel, and
// so is what is picked.
//
// As it stands it is gather.wgsl for one image of one channel.

const COUNT: u32 = 256u;

// begin operands
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 {
  return x[i];
}
@group(0) @binding(1) var<storage, read> indices: array<u32>;
fn load_indices(i: u32) -> u32 {
  return indices[i];
}
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
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
  let at = load_indices(i);
  // begin pick
  y[i] = load_x(at);
  // end pick
}
