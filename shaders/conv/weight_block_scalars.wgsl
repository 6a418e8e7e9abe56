// The slot `own` of weight_block.wgsl where the channels of a pixel are no whole vec4s (an image's):
// the four rows of a vec4 (tap row, tap column, channel), counted flat, may belong to different
// taps. x is then bound as single values, and each is looked up on its own; see block_scalars.wgsl.
//
// Layout   x: [.., IN_HEIGHT, IN_WIDTH, IN_CHANNELS], float32
// Cost     four loads and index computations for each vec4 of a slab
//
// As it stands it lays the windows of one image out as the rows of a matrix, what is called im2col.

const IN_HEIGHT: u32 = 32u;
const IN_WIDTH: u32 = 32u;
const IN_CHANNELS: u32 = 3u;
const OUT_HEIGHT: u32 = 32u;
const OUT_WIDTH: u32 = 32u;
const KERNEL_HEIGHT: u32 = 3u;
const KERNEL_WIDTH: u32 = 3u;

const GROUP_IN: u32 = IN_CHANNELS;
const PRODUCT_VECTORS: u32 = (KERNEL_HEIGHT * KERNEL_WIDTH * GROUP_IN + 3u) / 4u;

struct Loaded {
  value: vec4<f32>,
  inside: vec4<bool>,
}

fn tap_row(pixel: u32, r: u32) -> i32 {
  return i32(pixel / OUT_WIDTH % OUT_HEIGHT + r);
}

fn tap_column(pixel: u32, s: u32) -> i32 {
  return i32(pixel % OUT_WIDTH + s);
}

// begin operands
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 {
  return x[i];
}
@group(0) @binding(1) var<storage, read_write> rows: array<vec4<f32>>;
// end operands

// begin own
fn load_rows(pixel: u32, row_vector: u32, group: u32) -> Loaded {
  var loaded: Loaded;
  // @unroll
  for (var i = 0u; i < 4u; i++) {
    let tap = (4u * row_vector + i) / GROUP_IN;
    let h = tap_row(pixel, tap / KERNEL_WIDTH);
    let w = tap_column(pixel, tap % KERNEL_WIDTH);
    let at = u32((i32(pixel / (OUT_HEIGHT * OUT_WIDTH) * IN_HEIGHT) + h) * i32(IN_WIDTH) + w);
    loaded.value[i] = load_x(at * IN_CHANNELS + (4u * row_vector + i) % GROUP_IN);
    loaded.inside[i] = u32(h) < IN_HEIGHT && u32(w) < IN_WIDTH;
  }
  return loaded;
}
// end own

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
  let thread = workgroup_number(workgroup, workgroups) * 64u + local;
  let pixel = thread / PRODUCT_VECTORS;
  if (pixel >= OUT_HEIGHT * OUT_WIDTH) {
    return;
  }
  let loaded = load_rows(pixel, thread % PRODUCT_VECTORS, 0u);
  rows[thread] = select(vec4<f32>(), loaded.value, loaded.inside);
}
