// y[n,p,q,c] = x[n, indices[n,p,q,c], c], positions counted over height and width together.
//
// Layout   x [N, H, W, C], indices [N, P, Q, C] (u32), y [N, P, Q, C]
// Threads  one invocation an element of y: four channels where they come in fours, else one
// Cost     no arithmetic; indices, the picked elements and y once

const COUNT: u32 = 256u; // elements of y
const IN_PIXELS: u32 = 64u;
const OUT_PIXELS: u32 = 16u;
const CHANNELS: u32 = 4u; // in elements
const WORKGROUP: u32 = 64u;

// begin types
alias F = vec4<f32>;
alias U = vec4<u32>;
// end types

// begin operands
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
fn load_x(i: u32) -> vec4<f32> {
  return x[i];
}
@group(0) @binding(1) var<storage, read> indices: array<vec4<u32>>;
fn load_indices(i: u32) -> vec4<u32> {
  return indices[i];
}
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
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
  let i = workgroup_number(workgroup, workgroups) * WORKGROUP + local;
  if (i >= COUNT) {
    return;
  }
  let c = i % CHANNELS;
  let n = i / (CHANNELS * OUT_PIXELS);
  let at = (n * IN_PIXELS + load_indices(i)) * CHANNELS + c;
  // begin pick
  y[i] = F(load_x(at.x).x, load_x(at.y).y, load_x(at.z).z, load_x(at.w).w);
  // end pick
}
