// y[b, j] = table[indices[b], j]
//
// Layout   table [N, WIDTH], indices [B] (u32), y [B, WIDTH]; table and y of one type
// Threads  one invocation an element of y
// Cost     8 bytes an element
//
// The region holds an example; the caller puts the element type at hand there.

const COUNT: u32 = 640u; // elements of y
const WIDTH: u32 = 10u;

// begin buffers
@group(0) @binding(0) var<storage, read> table: array<f32>;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
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
  y[i] = table[indices[i / WIDTH] * WIDTH + i % WIDTH];
}
