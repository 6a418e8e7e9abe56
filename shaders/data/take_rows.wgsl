// y[b, j] = table[indices[b], j]
//
// Layout   table [N, WIDTH], indices [B] (u32), y [B, WIDTH]; table and y of one type
// Threads  one invocation an element of y
// Cost     8 bytes an element
//
// The operands are an example; the element type at hand stands in its place.

const COUNT: u32 = 640u; // elements of y
const WIDTH: u32 = 10u;

// begin operands
@group(0) @binding(0) var<storage, read> table: array<f32>;
fn load_table(i: u32) -> f32 {
  return table[i];
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
  y[i] = load_table(load_indices(i / WIDTH) * WIDTH + i % WIDTH);
}
