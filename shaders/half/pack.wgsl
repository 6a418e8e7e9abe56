// y[i] = x[8 i .. 8 i + 7] as halves: IEEE's binary16, two to a word
//
// A half has 11 bits of a number and reaches from 6e-8 to 65504: what is smaller becomes 0, what is
// larger 65504. `pack2x16float` is of every device; no feature is asked for.
//
// Layout   x [8 COUNT], y [4 COUNT] (u32)
// Threads  one invocation for eight numbers
// Cost     6 bytes a number

const COUNT: u32 = 1024u;

// begin operands
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
fn load_x(i: u32) -> vec4<f32> {
  return x[i];
}
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;
// end operands

// begin workgroup_number
// The number of a workgroup: a dispatch of more than fit one dimension goes on in the second.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// end workgroup_number

fn pack(v: vec4<f32>) -> vec2<u32> {
  let held = clamp(v, vec4<f32>(-65504.0), vec4<f32>(65504.0));
  return vec2<u32>(pack2x16float(held.xy), pack2x16float(held.zw));
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
  y[i] = vec4<u32>(pack(load_x(2u * i)), pack(load_x(2u * i + 1u)));
}
