// y[n,p,q,c] = x[n, indices[n,p,q,c], c], positions counted over height and width together.
//
// Layout   x [N, H, W, C], indices [N, P, Q, C] (u32), y [N, P, Q, C]
// Threads  one invocation an element of y
// Cost     no arithmetic; indices, the picked elements and y once

const COUNT: u32 = 1024u; // elements of y
const IN_PIXELS: u32 = 64u;
const OUT_PIXELS: u32 = 16u;
const CHANNELS: u32 = 16u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

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
  let c = i % CHANNELS;
  let n = i / (CHANNELS * OUT_PIXELS);
  y[i] = x[(n * IN_PIXELS + indices[i]) * CHANNELS + c];
}
