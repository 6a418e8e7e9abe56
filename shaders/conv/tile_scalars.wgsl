// The slots `own` (of tile.wgsl and weight_tile.wgsl) and `result` (of tile.wgsl and block.wgsl)
// where the channels of that operand are no whole vec4s, such as the three of an image. The operand
// is then bound as single values, and a vec4 of the kernel is put together from up to four of them,
// zeros in the place of channels that are not there. Of one channel, one value is loaded.
//
// Layout   own and result: [pixels, channels], float32
// Cost     as many loads and stores as there are values: four times those of whole vec4s
//
// As it stands it copies pixels, their channels cut off or filled with zeros.

const PIXELS: u32 = 1024u;
const IN_CHANNELS: u32 = 3u;
const OUT_CHANNELS: u32 = 10u;

const IN_VECTORS: u32 = (IN_CHANNELS + 3u) / 4u;
const OUT_VECTORS: u32 = (OUT_CHANNELS + 3u) / 4u;

// begin operands
@group(0) @binding(0) var<storage, read> own: array<f32>;
fn load_own(i: u32) -> f32 {
  return own[i];
}
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
// end operands

// begin own
fn own_at(pixel: u32, vector: u32) -> vec4<f32> {
  let at = pixel * IN_CHANNELS + 4u * vector;
  var value = vec4<f32>(load_own(at), 0.0, 0.0, 0.0);
  if (IN_CHANNELS > 1u) {
    value.y = select(0.0, load_own(at + 1u), 4u * vector + 1u < IN_CHANNELS);
  }
  if (IN_CHANNELS > 2u) {
    value.z = select(0.0, load_own(at + 2u), 4u * vector + 2u < IN_CHANNELS);
  }
  if (IN_CHANNELS > 3u) {
    value.w = select(0.0, load_own(at + 3u), 4u * vector + 3u < IN_CHANNELS);
  }
  return value;
}
// end own

// begin result
struct Column {
  vector: u32,
}

fn load_column(vector: u32) -> Column {
  return Column(vector);
}

fn store(pixel: u32, column: Column, value: vec4<f32>) {
  let channel = 4u * column.vector;
  // @unroll
  for (var i = 0u; i < 4u; i++) {
    if (channel + i < OUT_CHANNELS) {
      result[pixel * OUT_CHANNELS + channel + i] = value[i];
    }
  }
}
// end result

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
  let vector = thread % OUT_VECTORS;
  let pixel = thread / OUT_VECTORS;
  if (pixel >= PIXELS) {
    return;
  }
  var value = vec4<f32>();
  if (vector < IN_VECTORS) {
    value = own_at(pixel, vector);
  }
  store(pixel, load_column(vector), value);
}
