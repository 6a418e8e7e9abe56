// The weight gradient of a convolution for GPUs: an implicit matrix product over workgroup memory.
//
//   dw[r,s,c,k] = sum over n,p,q of x[n, p*stride - padding + r*dilation, ..., c] dy[n,p,q,k]
//
// Layouts: x and dy NHWC, parts [SPLITS, R, S, C / GROUPS, K], float32; one vec4 is four
// neighbouring channels. Each split sums a run of the N P Q output pixels; adding the splits in
// order gives dw.
//
// The idea. The gradient is a matrix of rows (r,s,c) by output channels k, a product over pixels. A
// workgroup computes a block of it and walks along the pixels in slabs of DEPTH: all threads load x
// (shifted by the tap of their row) and dy into workgroup memory, each element once; then each
// thread adds the outer products of ROWS rows with COLUMNS channels, pixel by pixel. While
// a slab is multiplied, the loads of the next are under way to registers, and nothing touches them.
//
// Workgroup memory and the order of sums: see block.wgsl. Every sum is one chain of multiply-adds in
// the order of the pixels whatever the block; SPLITS follows the shape alone.
//
// Mapping: workgroup -> (channel tile, row tile, group, split), channel tiles first.
// Cost: 2 N P Q C R S K / GROUPS operations; x, dy and SPLITS times dw move at least once. With 8 x 8
// sums a thread loads 1 vec4 from workgroup memory for 16 multiply-adds.

const BATCH: u32 = 8u;
const IN_HEIGHT: u32 = 32u;
const IN_WIDTH: u32 = 32u;
const IN_CHANNELS: u32 = 64u;
const OUT_HEIGHT: u32 = 32u;
const OUT_WIDTH: u32 = 32u;
const OUT_CHANNELS: u32 = 64u;
const GROUPS: u32 = 1u;
const KERNEL_HEIGHT: u32 = 3u;
const KERNEL_WIDTH: u32 = 3u;
const STRIDE_H: u32 = 1u;
const STRIDE_W: u32 = 1u;
const PADDING_H: i32 = 1i;
const PADDING_W: i32 = 1i;
const DILATION_H: u32 = 1u;
const DILATION_W: u32 = 1u;
const SPLITS: u32 = 8u;
const SPLIT_PIXELS: u32 = 1024u; // a multiple of every DEPTH
// The block.
const ROWS: u32 = 8u; // of a thread's sums: weights of an output channel
const COLUMNS: u32 = 8u; // of a thread's sums: output channels
const THREADS_X: u32 = 8u; // along output channels
const THREADS_Y: u32 = 8u; // along rows
const WARP_X: u32 = 8u; // threads of a warp that lie side by side
const DEPTH: u32 = 8u; // of a slab: pixels
const BUFFERS: u32 = 2u; // with two, one barrier a slab is enough

const ROW_VECTORS: u32 = ROWS / 4u;
const COLUMN_VECTORS: u32 = COLUMNS / 4u;
const THREADS: u32 = THREADS_X * THREADS_Y;
const WARP_Y: u32 = 32u / WARP_X;
const GROUP_IN: u32 = IN_CHANNELS / GROUPS;
const GROUP_OUT: u32 = OUT_CHANNELS / GROUPS;
const IN_VECTORS: u32 = (GROUP_IN + 3u) / 4u;
const OUT_VECTORS: u32 = GROUP_OUT / 4u;
const PIXEL_VECTORS: u32 = IN_CHANNELS / 4u;
const PRODUCT_ROWS: u32 = KERNEL_HEIGHT * KERNEL_WIDTH * GROUP_IN;
const PRODUCT_VECTORS: u32 = (PRODUCT_ROWS + 3u) / 4u;
const TILE_Y: u32 = THREADS_Y * ROW_VECTORS;
const TILE_X: u32 = THREADS_X * COLUMN_VECTORS;
const ROW_TILES: u32 = (PRODUCT_VECTORS + TILE_Y - 1u) / TILE_Y;
const CHANNEL_TILES: u32 = (OUT_VECTORS + TILE_X - 1u) / TILE_X;
const PIXELS: u32 = BATCH * OUT_HEIGHT * OUT_WIDTH;
const X_LOADS: u32 = (DEPTH * TILE_Y + THREADS - 1u) / THREADS;
const DY_LOADS: u32 = (DEPTH * TILE_X + THREADS - 1u) / THREADS;
// An odd number of vec4s, so that neighbouring threads read different banks.
const X_ROW: u32 = DEPTH * ROW_VECTORS + 1u;
const DY_ROW: u32 = DEPTH * COLUMN_VECTORS + 1u;

// begin operands
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
fn load_x(i: u32) -> vec4<f32> {
  return x[i];
}
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
fn load_dy(i: u32) -> vec4<f32> {
  return dy[i];
}
@group(0) @binding(2) var<storage, read_write> parts: array<vec4<f32>>;
// end operands

// What a workgroup works on: channel group, first vectors of output channels and of rows, and where
// its split of the pixels ends.
struct Block {
  group: u32,
  channel: u32,
  row: u32,
  end: u32,
}

// A value that is under way, and where it counts; elsewhere it is zero.
struct Loaded {
  value: vec4<f32>,
  inside: vec4<bool>,
}

// begin own
// The four elements of x under an output pixel that belong to four rows of the gradient: one tap,
// four channels.
fn load_rows(pixel: u32, row_vector: u32, group: u32) -> Loaded {
  let tap = row_vector / IN_VECTORS;
  let h = tap_row(pixel, tap / KERNEL_WIDTH);
  let w = tap_column(pixel, tap % KERNEL_WIDTH);
  let at = u32((i32(pixel / (OUT_HEIGHT * OUT_WIDTH) * IN_HEIGHT) + h) * i32(IN_WIDTH) + w);
  return Loaded(
    load_x(at * PIXEL_VECTORS + group * IN_VECTORS + row_vector % IN_VECTORS),
    vec4<bool>(u32(h) < IN_HEIGHT && u32(w) < IN_WIDTH));
}
// end own

// The n-th vec4 of x for the slab of pixels that begins with `first`, by pixel, then row.
fn slab_x(n: u32, first: u32, block: Block) -> Loaded {
  let pixel = first + n / TILE_Y;
  let vector = block.row + n % TILE_Y;
  var loaded = load_rows(pixel, vector, block.group);
  loaded.inside &= vec4<bool>(pixel < block.end && vector < PRODUCT_VECTORS);
  return loaded;
}

// The same of dy, by pixel, then output channel.
fn slab_dy(n: u32, first: u32, block: Block) -> Loaded {
  let pixel = first + n / TILE_X;
  let vector = block.channel + n % TILE_X;
  return Loaded(
    load_dy(pixel * (OUT_CHANNELS / 4u) + block.group * OUT_VECTORS + vector),
    vec4<bool>(pixel < block.end && vector < OUT_VECTORS));
}

fn tap_row(pixel: u32, r: u32) -> i32 {
  return i32(pixel / OUT_WIDTH % OUT_HEIGHT * STRIDE_H + r * DILATION_H) - PADDING_H;
}

fn tap_column(pixel: u32, s: u32) -> i32 {
  return i32(pixel % OUT_WIDTH * STRIDE_W + s * DILATION_W) - PADDING_W;
}

var<workgroup> x_slab: array<array<array<vec4<f32>, X_ROW>, THREADS_Y>, BUFFERS>;
var<workgroup> dy_slab: array<array<array<vec4<f32>, DY_ROW>, THREADS_X>, BUFFERS>;

// begin workgroup_number
// The number of a workgroup: a dispatch of more than fit one dimension goes on in the second.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// end workgroup_number

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = workgroup_number(workgroup, workgroups);
  let split = number / (CHANNEL_TILES * ROW_TILES * GROUPS);
  if (split >= SPLITS) {
    return;
  }
  let begin = split * SPLIT_PIXELS;
  var block: Block;
  block.channel = number % CHANNEL_TILES * TILE_X;
  block.row = number / CHANNEL_TILES % ROW_TILES * TILE_Y;
  block.group = number / (CHANNEL_TILES * ROW_TILES) % GROUPS;
  block.end = min(begin + SPLIT_PIXELS, PIXELS);
  let column = local % WARP_X + local / 32u % (THREADS_X / WARP_X) * WARP_X;
  let row = local / WARP_X % WARP_Y + local / (WARP_Y * THREADS_X) * WARP_Y;

  // @registers
  var x_held: array<Loaded, X_LOADS>;
  // @registers
  var dy_held: array<Loaded, DY_LOADS>;
  // @unroll
  for (var l = 0u; l < X_LOADS; l++) {
    x_held[l] = slab_x(l * THREADS + local, begin, block);
  }
  // @unroll
  for (var l = 0u; l < DY_LOADS; l++) {
    dy_held[l] = slab_dy(l * THREADS + local, begin, block);
  }

  // @registers
  var sum: array<vec4<f32>, 4 * ROW_VECTORS * COLUMN_VECTORS>;
  let slabs = (block.end - begin + DEPTH - 1u) / DEPTH;
  for (var slab = 0u; slab < slabs; slab++) {
    let buffer = slab % BUFFERS;
    // @unroll
    for (var l = 0u; l < X_LOADS; l++) {
      let n = l * THREADS + local;
      let vector = n % TILE_Y;
      if (DEPTH * TILE_Y % THREADS == 0u || n < DEPTH * TILE_Y) {
        x_slab[buffer][vector % THREADS_Y][n / TILE_Y * ROW_VECTORS + vector / THREADS_Y] =
          select(vec4<f32>(), x_held[l].value, x_held[l].inside);
      }
    }
    // @unroll
    for (var l = 0u; l < DY_LOADS; l++) {
      let n = l * THREADS + local;
      let vector = n % TILE_X;
      if (DEPTH * TILE_X % THREADS == 0u || n < DEPTH * TILE_X) {
        dy_slab[buffer][vector % THREADS_X][n / TILE_X * COLUMN_VECTORS + vector / THREADS_X] =
          select(vec4<f32>(), dy_held[l].value, dy_held[l].inside);
      }
    }
    workgroupBarrier();

    // The loads of the next slab, without a branch: see block.wgsl.
    // @unroll
    for (var l = 0u; l < X_LOADS; l++) {
      x_held[l] = slab_x(l * THREADS + local, begin + (slab + 1u) * DEPTH, block);
    }
    // @unroll
    for (var l = 0u; l < DY_LOADS; l++) {
      dy_held[l] = slab_dy(l * THREADS + local, begin + (slab + 1u) * DEPTH, block);
    }

    // @unroll
    for (var p = 0u; p < DEPTH; p++) {
      // @registers
      var gradient: array<vec4<f32>, COLUMN_VECTORS>;
      // @unroll
      for (var j = 0u; j < COLUMN_VECTORS; j++) {
        gradient[j] = dy_slab[buffer][column][p * COLUMN_VECTORS + j];
      }
      // @unroll
      for (var i = 0u; i < ROW_VECTORS; i++) {
        let value = x_slab[buffer][row][p * ROW_VECTORS + i];
        // @unroll
        for (var c = 0u; c < 4u; c++) {
          // @unroll
          for (var j = 0u; j < COLUMN_VECTORS; j++) {
            sum[(i * 4 + c) * COLUMN_VECTORS + j] =
              fma(vec4<f32>(value[c]), gradient[j], sum[(i * 4 + c) * COLUMN_VECTORS + j]);
          }
        }
      }
    }
    if (BUFFERS == 1u) {
      workgroupBarrier();
    }
  }

  // @unroll
  for (var i = 0u; i < ROW_VECTORS; i++) {
    // @unroll
    for (var c = 0u; c < 4u; c++) {
      let at = 4u * (block.row + i * THREADS_Y + row) + c;
      // @unroll
      for (var j = 0u; j < COLUMN_VECTORS; j++) {
        let vector = block.channel + j * THREADS_X + column;
        if (at < PRODUCT_ROWS && vector < OUT_VECTORS) {
          let line = (split * PRODUCT_ROWS + at) * (OUT_CHANNELS / 4u);
          parts[line + block.group * OUT_VECTORS + vector] = sum[(i * 4 + c) * COLUMN_VECTORS + j];
        }
      }
    }
  }
}
