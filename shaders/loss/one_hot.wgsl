// y[b, k] = 1 where k is the label of b, else 0.
//
// Layout   labels [B] (u32), y [B, CLASSES]
// Threads  one invocation an element of y
// Cost     4 bytes written an element

const COUNT: u32 = 320u; // elements of y
const CLASSES: u32 = 10u;

@group(0) @binding(0) var<storage, read> labels: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

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
  y[i] = select(0.0, 1.0, labels[i / CLASSES] == i % CLASSES);
}
