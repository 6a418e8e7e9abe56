// y[8 i .. 8 i + 7] = the eight halves of x[i]: what pack.wgsl made of numbers
//
// Layout   x [4 COUNT] (u32), y [8 COUNT]
// Threads  one invocation for eight numbers
// Cost     6 bytes a number

const COUNT: u32 = 1024u;

// begin operands
@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
fn load_x(i: u32) -> vec4<u32> {
  return x[i];
}
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
// end operands

// begin workgroup_number
// The number of a workgroup: a dispatch of more than fit one dimension goes on in the second.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// end workgroup_number

fn unpack(v: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y));
}

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
  let halves = load_x(i);
  y[2u * i] = unpack(halves.xy);
  y[2u * i + 1u] = unpack(halves.zw);
}
