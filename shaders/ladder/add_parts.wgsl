// The ladder of a convolution kernel, rung 8, its second kernel: adds the parts of sums in order.
//
//   y[i] = (parts[0,i] + parts[1,i]) + parts[2,i] + ...
//
// Layouts: parts [SPLITS, COUNT] and y [COUNT], of vec4s.
// Mapping: a thread adds what belongs to one vec4 of y; neighbours read neighbours in every part.
// Cost: 4 SPLITS COUNT operations; every byte is read and written once, so it takes memory's time.

const SPLITS: u32 = 2u;
const COUNT: u32 = 768u;

// begin operands
@group(0) @binding(0) var<storage, read> parts: array<vec4<f32>>;
fn load_parts(i: u32) -> vec4<f32> {
  return parts[i];
}
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
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
  var sum = load_parts(i);
  for (var part = 1u; part < SPLITS; part++) {
    sum += load_parts(part * COUNT + i);
  }
  y[i] = sum;
}
