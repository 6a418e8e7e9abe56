// The slot `own` of block.wgsl where the channels of a pixel are no whole vec4s (an image's): the
// four elements of a vec4 of the inner dimension (tap row, tap column, channel), counted flat, may
// belong to different taps. x is then bound as single values, and each is looked up on its own.
//
// Layout   own: [.., IN_HEIGHT, IN_WIDTH, IN_CHANNELS], float32
// Cost     four loads and index computations for each vec4 of a slab
//
// As it stands it lays the windows of one image out as the rows of a matrix, what is called im2col.

const IN_HEIGHT: u32 = 32u;
const IN_WIDTH: u32 = 32u;
const IN_CHANNELS: u32 = 3u;
const KERNEL_HEIGHT: u32 = 3u;
const KERNEL_WIDTH: u32 = 3u;

const GROUP_IN: u32 = IN_CHANNELS;
const INNER_VECTORS: u32 = (KERNEL_HEIGHT * KERNEL_WIDTH * GROUP_IN + 3u) / 4u;

// The parts of block.wgsl's structures that count here.
struct Block {
  end: u32,
}

struct Inner {
  index: u32,
}

struct Window {
  top: i32,
  left: i32,
  pixel: i32,
}

struct Loaded {
  value: vec4<f32>,
  inside: vec4<bool>,
}

fn step_h(taps: u32) -> i32 {
  return i32(taps);
}

fn step_w(taps: u32) -> i32 {
  return i32(taps);
}

// begin operands
@group(0) @binding(0) var<storage, read> own: array<f32>;
fn load_own(i: u32) -> f32 {
  return own[i];
}
@group(0) @binding(1) var<storage, read_write> rows: array<vec4<f32>>;
// end operands

// begin own
fn slab_own(window: Window, inner: Inner, block: Block) -> Loaded {
  var loaded: Loaded;
  // @unroll
  for (var i = 0u; i < 4u; i++) {
    let tap = (4u * inner.index + i) / GROUP_IN;
    let down = step_h(tap / KERNEL_WIDTH);
    let right = step_w(tap % KERNEL_WIDTH);
    let pixel = u32(window.pixel + down * i32(IN_WIDTH) + right);
    loaded.value[i] = load_own(pixel * IN_CHANNELS + (4u * inner.index + i) % GROUP_IN);
    loaded.inside[i] = inner.index < block.end && tap < KERNEL_HEIGHT * KERNEL_WIDTH &&
      u32(window.top + down) < IN_HEIGHT && u32(window.left + right) < IN_WIDTH;
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
  let pixel = i32(thread / INNER_VECTORS);
  if (pixel >= i32(IN_HEIGHT * IN_WIDTH)) {
    return;
  }
  let window = Window(pixel / i32(IN_WIDTH), pixel % i32(IN_WIDTH), pixel);
  let loaded = slab_own(window, Inner(thread % INNER_VECTORS), Block(INNER_VECTORS));
  rows[thread] = select(vec4<f32>(), loaded.value, loaded.inside);
}
