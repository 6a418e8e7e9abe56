// Convolution and its input gradient for GPUs: an implicit matrix product over workgroup memory.
//
//   forward   y[n,p,q,k]  = sum over r,s,c of x[n, p*stride - padding + r*dilation, ..., c] w[r,s,c,k]
//   ADJOINT  dx[n,h,w,c]  = sum over r,s,k of dy[n,p,q,k] w[r,s,c,k]  where p*stride - padding + r*dilation = h, ...
//
// Layouts: activations NHWC, weights [R, S, C / GROUPS, K], float32; one vec4 is four neighbouring
// channels. "In" and "out" are meant as seen by this shader: ADJOINT reads dy (in), writes dx (out).
// The result is [SPLITS, out]: each split takes a run of the inner dimension, and adding the splits
// in order gives the result.
//
// The idea. The result is a matrix of pixels by output channels, a product over the inner
// dimension (tap row, tap column, input channel). A workgroup computes a block of it, and walks along
// the inner dimension in slabs of DEPTH: all threads load the slab of both operands into
// workgroup memory, each element once; then each thread multiplies what its own ROWS x COLUMNS
// sums need. While a slab is multiplied, the loads of the next are under way to registers: nothing
// touches a loaded value before it is stored, not even to put zeros in the place of padding.
// Four input by four output channels of weights are a 4 x 4 block; the adjoint reads it transposed.
//
// Stride. The adjoint of stride t falls into t phases (h mod t), each a correlation of stride 1 with
// every TAP_STRIDE-th tap (see tile.wgsl). A workgroup works in one phase and walks its taps only.
//
// Workgroup memory holds for each row of threads the pixels it needs, for each column the weights,
// one after the other. So an index is a thread's own row, which is clamped once a slab, and a
// constant; and as rows are an odd number of vec4s long, the eight threads that read at once read
// eight different banks of 16 bytes. Of a warp's 32 threads, 8 share pixels and 4 share weights.
//
// Order. Every output is one chain of multiply-adds in the order of the inner dimension, whatever
// the sizes of the block: variants differ in speed, never in bits. SPLITS follows the shape alone.
//
// Mapping: workgroup -> (channel tile, phase, group, pixel tile, split), channel tiles first, so that
// workgroups which run together read the same pixels.
// Cost: 2 N P Q C R S K / GROUPS operations. A thread loads ROWS + COLUMNS vec4s from workgroup
// memory for 4 ROWS COLUMNS multiply-adds: with 8 x 8 sums 1 to 16; from buffers the workgroup
// loads 1 / (4 block width) + 1 / (4 block height) vec4s a multiply-add.
//
// Compiled for a Radeon of 2020 by Mesa 22.3 (no GPU was at hand), a 128 x 64 block with 8 x 8 sums
// has 512 multiply-adds among the 666 instructions of a slab, one clamp for each operand, 144
// registers of 256 and none spilled. Of earlier texts, one that put zeros in place as it loaded
// made the compiler wait for memory before the multiply-adds, and one that loaded the next slab
// before a branch had the loads moved behind them.

const BATCH: u32 = 8u;
const IN_HEIGHT: u32 = 32u;
const IN_WIDTH: u32 = 32u;
const IN_CHANNELS: u32 = 64u;
const OUT_HEIGHT: u32 = 32u;
const OUT_WIDTH: u32 = 32u;
const OUT_CHANNELS: u32 = 64u;
const GROUPS: u32 = 1u;
// Taps in use, the first of them, and the width of the weights' buffer.
const KERNEL_HEIGHT: u32 = 3u;
const KERNEL_WIDTH: u32 = 3u;
const FIRST_TAP_H: u32 = 0u;
const FIRST_TAP_W: u32 = 0u;
const WEIGHT_WIDTH: u32 = 3u;
const STRIDE_H: i32 = 1i;
const STRIDE_W: i32 = 1i;
const PADDING_H: i32 = 1i;
const PADDING_W: i32 = 1i;
const DILATION_H: i32 = 1i;
const DILATION_W: i32 = 1i;
const ADJOINT: bool = false;
const PHASES_H: u32 = 1u;
const PHASES_W: u32 = 1u;
const TAP_STRIDE_H: u32 = 1u;
const TAP_STRIDE_W: u32 = 1u;
const SPLITS: u32 = 1u;
const SPLIT_VECTORS: u32 = 144u; // inner vec4s of a split, a multiple of every DEPTH / 4
// The block.
const ROWS: u32 = 8u; // of a thread's sums: pixels
const COLUMNS: u32 = 8u; // of a thread's sums: output channels
const THREADS_X: u32 = 8u; // along channels
const THREADS_Y: u32 = 16u; // along pixels
const WARP_X: u32 = 8u; // threads of a warp that lie side by side
const DEPTH: u32 = 8u; // of a slab: elements of the inner dimension
const BUFFERS: u32 = 2u; // with two, one barrier a slab is enough

const COLUMN_VECTORS: u32 = COLUMNS / 4u;
const DEPTH_VECTORS: u32 = DEPTH / 4u;
const THREADS: u32 = THREADS_X * THREADS_Y;
const WARP_Y: u32 = 32u / WARP_X;
const GROUP_IN: u32 = IN_CHANNELS / GROUPS;
const GROUP_OUT: u32 = OUT_CHANNELS / GROUPS;
const IN_VECTORS: u32 = (GROUP_IN + 3u) / 4u;
const OUT_VECTORS: u32 = (GROUP_OUT + 3u) / 4u;
const PIXEL_VECTORS: u32 = IN_CHANNELS / 4u;
const TILE_PIXELS: u32 = THREADS_Y * ROWS;
const TILE_VECTORS: u32 = THREADS_X * COLUMN_VECTORS;
const CHANNEL_TILES: u32 = (OUT_VECTORS + TILE_VECTORS - 1u) / TILE_VECTORS;
const PHASE_ROWS: u32 = (OUT_HEIGHT + PHASES_H - 1u) / PHASES_H;
const PHASE_COLUMNS: u32 = (OUT_WIDTH + PHASES_W - 1u) / PHASES_W;
const PHASE_PIXELS: u32 = BATCH * PHASE_ROWS * PHASE_COLUMNS;
const PIXEL_TILES: u32 = (PHASE_PIXELS + TILE_PIXELS - 1u) / TILE_PIXELS;
const OWN_LOADS: u32 = (TILE_PIXELS * DEPTH_VECTORS + THREADS - 1u) / THREADS;
const JOINT_LOADS: u32 = (DEPTH * TILE_VECTORS + THREADS - 1u) / THREADS;
const OWN_ROW: u32 = ROWS * DEPTH_VECTORS + 1u;
const JOINT_ROW: u32 = DEPTH * COLUMN_VECTORS + 1u;
const OUTSIDE: i32 = -1000000i;

// What a workgroup works on: channel group, first output vector, the first tap of its phase and how
// many tap columns the phase has, and where its split of the inner dimension ends.
struct Block {
  group: u32,
  vector: u32,
  first_row: u32,
  first_column: u32,
  columns: u32,
  end: u32,
}

// Where a vec4 of the inner dimension lies: its number, and tap row, tap column (counted within
// the phase) and input vector.
struct Inner {
  index: u32,
  row: u32,
  column: u32,
  vector: u32,
}

// The window of one pixel: the place of its first tap in the input and that place's index.
struct Window {
  top: i32,
  left: i32,
  pixel: i32,
}

// The steps from tap to tap in the input. A phase meets its taps from the last input row up.
fn step_h(taps: u32) -> i32 {
  if (ADJOINT) {
    return -i32(taps) * (i32(TAP_STRIDE_H) * DILATION_H / STRIDE_H);
  }
  return i32(taps) * DILATION_H;
}

fn step_w(taps: u32) -> i32 {
  if (ADJOINT) {
    return -i32(taps) * (i32(TAP_STRIDE_W) * DILATION_W / STRIDE_W);
  }
  return i32(taps) * DILATION_W;
}

// A value that is under way, and where it counts; elsewhere it is zero.
struct Loaded {
  value: vec4<f32>,
  inside: vec4<bool>,
}

// begin operands
@group(0) @binding(0) var<storage, read> own: array<vec4<f32>>;
fn load_own(i: u32) -> vec4<f32> {
  return own[i];
}
@group(0) @binding(1) var<storage, read> joint: array<vec4<f32>>;
fn load_joint(i: u32) -> vec4<f32> {
  return joint[i];
}
@group(0) @binding(2) var<storage, read_write> result: array<vec4<f32>>;
// end operands

// begin own
fn slab_own(window: Window, inner: Inner, block: Block) -> Loaded {
  let down = step_h(inner.row);
  let right = step_w(inner.column);
  let pixel = u32(window.pixel + down * i32(IN_WIDTH) + right);
  let inside = inner.index < block.end &&
    u32(window.top + down) < IN_HEIGHT && u32(window.left + right) < IN_WIDTH;
  return Loaded(
    load_own(pixel * PIXEL_VECTORS + block.group * IN_VECTORS + inner.vector), vec4<bool>(inside));
}
// end own

// begin result
// What all pixels of an output vector share.
struct Column {
  vector: u32,
}

fn load_column(vector: u32) -> Column {
  return Column(vector);
}

fn store(pixel: u32, column: Column, value: vec4<f32>) {
  result[pixel * (OUT_CHANNELS / 4u) + column.vector] = value;
}
// end result

// The n-th vec4 of a slab's weights. Forward: by inner channel, then output vector; rows of the
// weights' matrix are the inner dimension itself where all taps of a kernel row are in use.
// Adjoint: by output channel, then inner vector, which is the thread's own.
fn slab_joint(n: u32, inner: Inner, block: Block) -> Loaded {
  var index = 0u;
  var inside = false;
  if (ADJOINT) {
    let r = FIRST_TAP_H + block.first_row + inner.row * TAP_STRIDE_H;
    let s = FIRST_TAP_W + block.first_column + inner.column * TAP_STRIDE_W;
    let channel = 4u * block.vector + n / DEPTH_VECTORS;
    index = ((r * WEIGHT_WIDTH + s) * GROUP_OUT + channel) * PIXEL_VECTORS;
    index += block.group * IN_VECTORS + inner.vector;
    inside = inner.index < block.end && channel < GROUP_OUT;
  } else {
    let channel = 4u * (inner.index - n % DEPTH_VECTORS) + n / TILE_VECTORS;
    let vector = block.vector + n % TILE_VECTORS;
    var row = FIRST_TAP_H * WEIGHT_WIDTH * GROUP_IN + channel;
    if (KERNEL_WIDTH != WEIGHT_WIDTH) {
      let line = KERNEL_WIDTH * GROUP_IN;
      row = ((FIRST_TAP_H + channel / line) * WEIGHT_WIDTH + FIRST_TAP_W) * GROUP_IN + channel % line;
    }
    index = row * (OUT_CHANNELS / 4u) + block.group * OUT_VECTORS + vector;
    inside = channel < min(4u * block.end, KERNEL_HEIGHT * KERNEL_WIDTH * GROUP_IN) &&
      vector < OUT_VECTORS;
  }
  return Loaded(load_joint(index), vec4<bool>(inside));
}

// The same place of the next slab.
fn next(inner: Inner, columns: u32) -> Inner {
  var to = inner;
  to.index += DEPTH_VECTORS;
  to.vector += DEPTH_VECTORS % IN_VECTORS;
  to.column += DEPTH_VECTORS / IN_VECTORS;
  if (to.vector >= IN_VECTORS) {
    to.vector -= IN_VECTORS;
    to.column += 1u;
  }
  // @unroll
  for (var i = 0u; i < DEPTH_VECTORS / IN_VECTORS + 1u; i++) {
    if (to.column >= columns) {
      to.column -= columns;
      to.row += 1u;
    }
  }
  return to;
}

// begin first_tap
const NO_TAP: u32 = 1000000u;

// The first tap that reaches the phase whose (phase + padding) is given.
fn first_tap(offset: i32, dilation: i32, stride: i32) -> u32 {
  var tap = NO_TAP;
  for (var t = stride; t > 0; t--) {
    if ((offset - (t - 1) * dilation) % stride == 0) {
      tap = u32(t - 1);
    }
  }
  return tap;
}
// end first_tap

// How many taps of `count` a phase has that begins with tap `first`.
fn phase_taps(first: u32, count: u32, stride: u32) -> u32 {
  return select(0u, (count - first + stride - 1u) / stride, first < count);
}

var<workgroup> own_slab: array<array<array<vec4<f32>, OWN_ROW>, THREADS_Y>, BUFFERS>;
var<workgroup> joint_slab: array<array<array<vec4<f32>, JOINT_ROW>, THREADS_X>, BUFFERS>;

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
  let phase_w = number / CHANNEL_TILES % PHASES_W;
  let phase_h = number / (CHANNEL_TILES * PHASES_W) % PHASES_H;
  let rest = number / (CHANNEL_TILES * PHASES_W * PHASES_H);
  let first_pixel = rest / GROUPS % PIXEL_TILES * TILE_PIXELS;
  let split = rest / (GROUPS * PIXEL_TILES);
  if (split >= SPLITS) {
    return;
  }
  let x = local % WARP_X + local / 32u % (THREADS_X / WARP_X) * WARP_X;
  let y = local / WARP_X % WARP_Y + local / (WARP_Y * THREADS_X) * WARP_Y;

  // The taps of the phase, and where the first of them lies for the phase's pixel 0.
  var block: Block;
  block.group = rest % GROUPS;
  block.vector = number % CHANNEL_TILES * TILE_VECTORS;
  block.columns = KERNEL_WIDTH;
  var rows = KERNEL_HEIGHT;
  var start_h = -PADDING_H;
  var start_w = -PADDING_W;
  if (ADJOINT) {
    block.first_row = first_tap(i32(phase_h) + PADDING_H, DILATION_H, STRIDE_H);
    block.first_column = first_tap(i32(phase_w) + PADDING_W, DILATION_W, STRIDE_W);
    block.columns = phase_taps(block.first_column, KERNEL_WIDTH, TAP_STRIDE_W);
    rows = phase_taps(block.first_row, KERNEL_HEIGHT, TAP_STRIDE_H);
    start_h = (i32(phase_h) + PADDING_H - i32(block.first_row) * DILATION_H) / STRIDE_H;
    start_w = (i32(phase_w) + PADDING_W - i32(block.first_column) * DILATION_W) / STRIDE_W;
  }
  let inner_vectors = (rows * block.columns * GROUP_IN + 3u) / 4u;
  let begin = split * SPLIT_VECTORS;
  block.end = min(begin + SPLIT_VECTORS, inner_vectors);

  // What this thread loads of each slab: always the same vec4 of it, of OWN_LOADS pixels.
  // @registers
  var window: array<Window, OWN_LOADS>;
  // @unroll
  for (var l = 0u; l < OWN_LOADS; l++) {
    let at = first_pixel + l * (THREADS / DEPTH_VECTORS) + local / DEPTH_VECTORS;
    let row = i32(at / PHASE_COLUMNS % PHASE_ROWS);
    let column = i32(at % PHASE_COLUMNS);
    let image = i32(at / (PHASE_COLUMNS * PHASE_ROWS));
    var top = row * STRIDE_H + start_h;
    var left = column * STRIDE_W + start_w;
    if (ADJOINT) {
      top = row + start_h;
      left = column + start_w;
    }
    let pixel = (image * i32(IN_HEIGHT) + top) * i32(IN_WIDTH) + left;
    window[l] = Window(select(OUTSIDE, top, at < PHASE_PIXELS), left, pixel);
  }
  var inner: Inner;
  inner.index = begin + local % DEPTH_VECTORS;
  inner.vector = inner.index % IN_VECTORS;
  inner.column = inner.index / IN_VECTORS % max(block.columns, 1u);
  inner.row = inner.index / (IN_VECTORS * max(block.columns, 1u));

  // @registers
  var own_held: array<Loaded, OWN_LOADS>;
  // @registers
  var joint_held: array<Loaded, JOINT_LOADS>;
  // @unroll
  for (var l = 0u; l < OWN_LOADS; l++) {
    own_held[l] = slab_own(window[l], inner, block);
  }
  // @unroll
  for (var l = 0u; l < JOINT_LOADS; l++) {
    joint_held[l] = slab_joint(l * THREADS + local, inner, block);
  }

  // @registers
  var sum: array<vec4<f32>, ROWS * COLUMN_VECTORS>;
  let slabs = (max(block.end, begin) - begin + DEPTH_VECTORS - 1u) / DEPTH_VECTORS;
  for (var slab = 0u; slab < slabs; slab++) {
    let buffer = slab % BUFFERS;
    // @unroll
    for (var l = 0u; l < OWN_LOADS; l++) {
      let at = l * (THREADS / DEPTH_VECTORS) + local / DEPTH_VECTORS;
      if (TILE_PIXELS * DEPTH_VECTORS % THREADS == 0u || at < TILE_PIXELS) {
        own_slab[buffer][at / ROWS][at % ROWS * DEPTH_VECTORS + local % DEPTH_VECTORS] =
          select(vec4<f32>(), own_held[l].value, own_held[l].inside);
      }
    }
    // @unroll
    for (var l = 0u; l < JOINT_LOADS; l++) {
      let n = l * THREADS + local;
      var vector = n % TILE_VECTORS;
      var place = n / TILE_VECTORS * COLUMN_VECTORS + vector / THREADS_X;
      if (ADJOINT) {
        vector = n / DEPTH;
        let channel = vector / THREADS_X * 4u + n / DEPTH_VECTORS % 4u;
        place = channel * DEPTH_VECTORS + n % DEPTH_VECTORS;
      }
      if (DEPTH * TILE_VECTORS % THREADS == 0u || n < DEPTH * TILE_VECTORS) {
        joint_slab[buffer][vector % THREADS_X][place] =
          select(vec4<f32>(), joint_held[l].value, joint_held[l].inside);
      }
    }
    workgroupBarrier();

    // The loads of the next slab. Past the end they are made for nothing, which costs less than a
    // branch: compilers move loads out of the way of a branch, and wait for them after it.
    inner = next(inner, block.columns);
    // @unroll
    for (var l = 0u; l < OWN_LOADS; l++) {
      own_held[l] = slab_own(window[l], inner, block);
    }
    // @unroll
    for (var l = 0u; l < JOINT_LOADS; l++) {
      joint_held[l] = slab_joint(l * THREADS + local, inner, block);
    }

    // @unroll
    for (var d = 0u; d < DEPTH_VECTORS; d++) {
      // @registers
      var pixel: array<vec4<f32>, ROWS>;
      // @unroll
      for (var i = 0u; i < ROWS; i++) {
        pixel[i] = own_slab[buffer][y][i * DEPTH_VECTORS + d];
      }
      // @unroll
      for (var v = 0u; v < COLUMN_VECTORS; v++) {
        // @registers
        var weight: array<vec4<f32>, 4>;
        // @registers
        var line: array<vec4<f32>, 4>;
        // @unroll
        for (var c = 0u; c < 4u; c++) {
          if (ADJOINT) {
            line[c] = joint_slab[buffer][x][(v * 4 + c) * DEPTH_VECTORS + d];
          } else {
            weight[c] = joint_slab[buffer][x][(d * 4 + c) * COLUMN_VECTORS + v];
          }
        }
        if (ADJOINT) {
          // @unroll
          for (var c = 0u; c < 4u; c++) {
            weight[c] = vec4<f32>(line[0][c], line[1][c], line[2][c], line[3][c]);
          }
        }
        // @unroll
        for (var c = 0u; c < 4u; c++) {
          // @unroll
          for (var i = 0u; i < ROWS; i++) {
            sum[i * COLUMN_VECTORS + v] =
              fma(vec4<f32>(pixel[i][c]), weight[c], sum[i * COLUMN_VECTORS + v]);
          }
        }
      }
    }
    if (BUFFERS == 1u) {
      workgroupBarrier();
    }
  }

  // @registers
  var stored: array<Column, COLUMN_VECTORS>;
  // @unroll
  for (var v = 0u; v < COLUMN_VECTORS; v++) {
    stored[v] = load_column(block.group * OUT_VECTORS + block.vector + v * THREADS_X + x);
  }
  // @unroll
  for (var i = 0u; i < ROWS; i++) {
    let at = first_pixel + y * ROWS + i;
    let row = at / PHASE_COLUMNS % PHASE_ROWS * PHASES_H + phase_h;
    let column = at % PHASE_COLUMNS * PHASES_W + phase_w;
    let image = split * BATCH + at / (PHASE_COLUMNS * PHASE_ROWS);
    if (at < PHASE_PIXELS && row < OUT_HEIGHT && column < OUT_WIDTH) {
      let pixel = (image * OUT_HEIGHT + row) * OUT_WIDTH + column;
      // @unroll
      for (var v = 0u; v < COLUMN_VECTORS; v++) {
        let vector = block.vector + v * THREADS_X + x;
        if (vector < OUT_VECTORS) {
          store(pixel, stored[v], sum[i * COLUMN_VECTORS + v]);
        }
      }
    }
  }
}
