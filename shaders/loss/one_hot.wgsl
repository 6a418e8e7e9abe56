// y[b, k] = 1 where k is the label of b, else 0.
//
// Layout   labels [B] (u32), y [B, CLASSES]
// Threads  one invocation an element of y
// Cost     4 bytes written an element

const COUNT: u32 = 320u; // elements of y
const CLASSES: u32 = 10u;

// begin operands
@group(0) @binding(0) var<storage, read> labels: array<u32>;
fn load_labels(i: u32) -> u32 {
  return labels[i];
}
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
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
  y[i] = select(0.0, 1.0, load_labels(i / CLASSES) == i % CLASSES);
}
