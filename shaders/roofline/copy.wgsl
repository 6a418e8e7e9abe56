// The memory bandwidth that a kernel can have: y[i] = x[i].
//
// Layout   x and y: vec4s, more of them than caches hold
// Threads  one invocation for each vec4; neighbours copy neighbours
// Cost     no operations; every byte read once and written once

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 64u + lane;
  if (i < arrayLength(&x)) {
    y[i] = x[i];
  }
}
