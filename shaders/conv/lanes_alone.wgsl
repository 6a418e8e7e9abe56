// The slots `lanes` and `lane` of tile.wgsl and weight_tile.wgsl for LANES = 1: a subgroup of one,
// for devices without subgroups, where neither the functions nor the lane's number may be named.
// Compilers see through it, and nothing is left.

// begin operands
@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;
// end operands

// begin lanes
const lane: u32 = 0u;

fn subgroupBroadcast(value: vec4<f32>, lane: u32) -> vec4<f32> {
  return value;
}

fn subgroupAny(value: bool) -> bool {
  return value;
}
// end lanes

@compute @workgroup_size(1)
fn main(
  @builtin(local_invocation_index) local: u32,
  // begin lane
  // end lane
) {
  if (subgroupAny(lane == local)) {
    y[local] = subgroupBroadcast(y[local], lane);
  }
}
