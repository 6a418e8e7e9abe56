// The slot `run` of tile.wgsl for forward convolutions of one to three channels (an image's): the run
// of pixels that a thread loads lies in one piece, so it is loaded as whole vec4s, which are then
// cut into pixels: a quarter of the loads that single values take (tile_scalars.wgsl). It is taken
// where all runs begin at the same place of their first vec4, SKEW values from its start
// (engine/gpu/kernels/conv_tile.ts).
//
// Layout   own: [IMAGES, IN_HEIGHT, IN_WIDTH, IN_CHANNELS], float32, read as vec4s
// Cost     WORDS loads for the SPAN pixels of a run
//
// As it stands it spreads an image's pixels to vec4s.

const IN_HEIGHT: u32 = 32u;
const IN_WIDTH: u32 = 32u;
const IN_CHANNELS: u32 = 3u;
const IMAGES: u32 = 1u;
const SPAN: u32 = 8u;
const SKEW: u32 = 0u;

const WORDS: u32 = (SKEW + SPAN * IN_CHANNELS + 3u) / 4u;

// begin operands
@group(0) @binding(0) var<storage, read> own: array<vec4<f32>>;
fn load_own(i: u32) -> vec4<f32> {
  return own[i];
}
@group(0) @binding(1) var<storage, read_write> pixels: array<vec4<f32>>;
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
  let thread = workgroup_number(workgroup, workgroups) * 64u + local;
  let left = i32(thread % (IN_WIDTH / SPAN) * SPAN);
  let row = thread / (IN_WIDTH / SPAN);
  let row_inside = row < IN_HEIGHT;
  let line = i32(row * IN_WIDTH) + left;
  // begin run
  // @registers
  var word: array<vec4<f32>, IMAGES * WORDS>;
  // @registers
  var pixel: array<vec4<f32>, IMAGES * SPAN>;
  // @unroll
  for (var j = 0u; j < IMAGES; j++) {
    let start = (line + i32(j * IN_HEIGHT * IN_WIDTH)) * i32(IN_CHANNELS) - i32(SKEW);
    // @unroll
    for (var k = 0u; k < WORDS; k++) {
      word[j * WORDS + k] = load_own(u32(start / 4i + i32(k)));
    }
    // @unroll
    for (var i = 0u; i < SPAN; i++) {
      var value = vec4<f32>();
      // @unroll
      for (var c = 0u; c < IN_CHANNELS; c++) {
        value[c] = word[j * WORDS + (SKEW + i * IN_CHANNELS + c) / 4u]
          [(SKEW + i * IN_CHANNELS + c) % 4u];
      }
      let w = left + i32(i);
      let inside = row_inside & (w >= 0) & (w < i32(IN_WIDTH));
      pixel[j * SPAN + i] = select(vec4<f32>(), value, inside);
    }
  }
  // end run
  if (row_inside) {
    // @unroll
    for (var i = 0u; i < SPAN; i++) {
      pixels[u32(line) + i] = pixel[i];
    }
  }
}
