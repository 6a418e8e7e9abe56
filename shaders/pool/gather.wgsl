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

// begin memory
alias F = vec4f;
alias U = vec4u;
@group(0) @binding(0) var<storage, read> x: array<F>;
@group(0) @binding(1) var<storage, read> indices: array<U>;
@group(0) @binding(2) var<storage, read_write> y: array<F>;
fn load_x(i: u32) -> F {
  return x[i];
}
fn load_indices(i: u32) -> U {
  return indices[i];
}
// end memory

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * WORKGROUP + lane;
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
