// Convolution and its input gradient, as a register tile.
//
//   forward   y[n,p,q,k]  = sum over r,s,c of x[n, p*stride - padding + r*dilation, ..., c] w[r,s,c,k]
//   ADJOINT  dx[n,h,w,c]  = sum over r,s,k of dy[n,p,q,k] w[r,s,c,k]  where p*stride - padding + r*dilation = h, ...
//
// Layouts: activations NHWC, weights [R, S, C / GROUPS, K], float32; one vec4 is four neighbouring channels.
// "In" and "out" are meant as seen by this shader: ADJOINT reads dy (in) and writes dx (out).
//
// The idea. A thread holds IMAGES x PIXELS x (4 VECTORS) sums in registers: a run of pixels of one
// output row, in some neighbouring images, for a run of output channels. For each kernel row and
// each four input channels it loads the run of input pixels once for all taps of that kernel row.
// Every 4 x 4 block of weights, four input by four output channels, is a matrix m: forward adds
// m * pixel, the adjoint pixel * m (the same block transposed), so one text serves both.
//
// Lanes. LANES threads of one subgroup take different pixels but the same output channels, so they
// need the same weights: each lane loads every LANES-th vec4 of them, and a broadcast hands it to
// the others. That saves most loads, which are dear on a CPU adapter (engine/gpu/kernels/target.ts),
// where operands are textures too. With LANES = 1 nothing is shared (lanes_alone.wgsl).
//
// Stride. The adjoint of stride t falls into t phases (h mod t): within one phase it is a plain
// correlation of stride 1 with every t-th tap. Of rows a subgroup works in one phase, with taps
// TAP_STRIDE_H from each other, so no tap is tested in vain. Of columns a thread has all phases, so
// that they share its loads. Its run is one of a fractionally strided convolution, which reads dy as if
// SPREAD_W - 1 zeros stood between its pixels: a tap meets pixels of dy in the results of one phase,
// every SPREAD_W-th of the run, and zeros in the others, which are left out. Forward has one phase.
//
// Few channels. Channels that are no whole vec4s are loaded and stored one by one (tile_scalars.wgsl).
// But the run of pixels that a thread loads lies in one piece: with fewer than four input channels
// it is loaded as whole vec4s, which are then cut into pixels (tile_packed.wgsl).
//
// Groups. A thread's output channels lie in one group and meet that group's input channels only.
//
// Mapping: unit = thread / LANES -> (channel tile, phase, bundle of pixel tiles), lane -> pixel tile,
// images first, so that neighbouring lanes are at the same place of neighbouring images.
// Cost: 2 N P Q K R S C / GROUPS operations (of the forward shape); every operand moves at least once; the
// loads issued are a fraction 1 / (4 VECTORS) + 1 / (PIXELS IMAGES LANES) of the multiply-adds, less
// what the taps share.
//
// Measured on lavapipe with AVX-512: 95 to 120 GFLOP/s at 64 to 512 channels, of a peak of 165. Tried
// without gain: 32 output channels or 16 pixels a thread (58 in the place of 95 where images are large,
// twice as long to compile), 4 pixels (5 % slower), workgroup memory (as slow to load as buffers). Not
// tried: Winograd's F(2, 3) along the row, a third fewer multiplications for twice the sums.
// subgroupBroadcast and subgroupAny need the device feature "subgroups"; naga wants no enable line.

const BATCH: u32 = 8u;
const IN_HEIGHT: u32 = 32u;
const IN_WIDTH: u32 = 32u;
const IN_CHANNELS: u32 = 64u;
const OUT_HEIGHT: u32 = 32u;
const OUT_WIDTH: u32 = 32u;
const OUT_CHANNELS: u32 = 64u;
const GROUPS: u32 = 1u;
// Taps in use, the first of them, and the width of the weights' buffer: taps that only ever meet
// padding are left out.
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
const ADJOINT: bool = false;
// Forward: 1, 1. Adjoint: stride, stride / g, where g is the greatest joint divisor of stride and
// dilation.
const PHASES_H: u32 = 1u;
const TAP_STRIDE_H: u32 = 1u;
// Along a row that is read, with those zeros: where the first tap is for the first result of a run, and
// from there to the next tap. From a result to the next of its phase it is PIXEL_STEP_W pixels.
const SPREAD_W: u32 = 1u;
const SHIFT_W: u32 = 0u;
const TAP_STEP_W: u32 = 1u;
const PIXEL_STEP_W: u32 = 1u;
// Values before a run of packed pixels in its first vec4.
const SKEW: u32 = 0u;
// The tile.
const IMAGES: u32 = 1u;
const PIXELS: u32 = 8u;
const VECTORS: u32 = 4u;
const LANES: u32 = 8u;
const WORKGROUP: u32 = 8u;

const IN_VECTORS: u32 = (IN_CHANNELS + 3u) / 4u;
const OUT_VECTORS: u32 = (OUT_CHANNELS + 3u) / 4u;
const GROUP_IN: u32 = (IN_VECTORS + GROUPS - 1u) / GROUPS;
const GROUP_OUT: u32 = (OUT_VECTORS + GROUPS - 1u) / GROUPS;
const PHASE_PIXELS: u32 = PIXELS / SPREAD_W;
const LAST: u32 = (KERNEL_WIDTH - 1u) * TAP_STEP_W;
// The tap that is t behind the first meets a pixel in the result (BACK - t) % SPREAD_W of the run and in
// every SPREAD_W-th from there; the pixel is (AHEAD + t) / SPREAD_W of the run.
const BACK: u32 = (LAST + 1u) * SPREAD_W - SHIFT_W;
const AHEAD: u32 = SHIFT_W + SPREAD_W - 1u;
const SPAN: u32 = (PHASE_PIXELS - 1u) * PIXEL_STEP_W + (AHEAD + LAST) / SPREAD_W + 1u;
const WORDS: u32 = (SKEW + SPAN * IN_CHANNELS + 3u) / 4u;
const BLOCK: u32 = 4u * VECTORS;
const HELD: u32 = (KERNEL_WIDTH * BLOCK + LANES - 1u) / LANES;
const GROUP_TILES: u32 = (GROUP_OUT + VECTORS - 1u) / VECTORS;
const CHANNEL_TILES: u32 = GROUPS * GROUP_TILES;
const IMAGE_TILES: u32 = (BATCH + IMAGES - 1u) / IMAGES;
const PHASE_ROWS: u32 = (OUT_HEIGHT + PHASES_H - 1u) / PHASES_H;
const COLUMN_TILES: u32 = (OUT_WIDTH + PIXELS - 1u) / PIXELS;
const TILES: u32 = IMAGE_TILES * COLUMN_TILES * PHASE_ROWS;

// "own" is what each lane loads for itself, "joint" what the lanes share.
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
fn own_at(pixel: u32, vector: u32) -> vec4<f32> {
  return load_own(pixel * IN_VECTORS + vector);
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
  result[pixel * OUT_VECTORS + column.vector] = value;
}
// end result

// begin lanes
// Where LANES is 1, the text of lanes_alone.wgsl stands here.
// end lanes

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

// The n-th vec4 of the weights that one kernel row and one input vector need: by tap, in the order of
// the input columns that they read, then forward (input channel, output vector), adjoint (output
// channel). Weights count the channels of their first axis within the group.
fn load_weight(n: u32, r: u32, group: u32, input: u32, output: u32) -> vec4<f32> {
  let s = select(n / BLOCK, KERNEL_WIDTH - 1u - n / BLOCK, ADJOINT);
  let tap = (FIRST_TAP_H + r) * WEIGHT_WIDTH + FIRST_TAP_W + s;
  let rest = n % BLOCK;
  let row = 4u * (input - group * GROUP_IN) + rest / VECTORS;
  var index = (tap * (IN_CHANNELS / GROUPS) + row) * OUT_VECTORS + output + rest % VECTORS;
  if (ADJOINT) {
    let row = 4u * (output - group * GROUP_OUT) + rest;
    index = (tap * (OUT_CHANNELS / GROUPS) + row) * IN_VECTORS + input;
  }
  return load_joint(index);
}

// begin workgroup_number
// The number of a workgroup: a dispatch of more than fit one dimension goes on in the second.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// end workgroup_number

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  // begin lane
  @builtin(subgroup_invocation_id) lane: u32,
  // end lane
) {
  // A workgroup is one subgroup where lanes share.
  let thread = workgroup_number(workgroup, workgroups) * WORKGROUP + local;
  let unit = thread / LANES;
  let group_tile = unit % CHANNEL_TILES;
  let group = group_tile / GROUP_TILES;
  let output = group * GROUP_OUT + group_tile % GROUP_TILES * VECTORS;
  let phase = unit / CHANNEL_TILES % PHASES_H;
  // Lanes past the end do the last tile again, so that all lanes stay together, and don't store.
  let index = unit / (CHANNEL_TILES * PHASES_H) * LANES + lane;
  let tile = min(index, TILES - 1u);
  let image = tile % IMAGE_TILES * IMAGES;
  let column = tile / IMAGE_TILES % COLUMN_TILES * PIXELS;
  let row = tile / (IMAGE_TILES * COLUMN_TILES);

  let top = i32(row) * STRIDE_H - PADDING_H;
  var left = i32(column) * STRIDE_W - PADDING_W;
  var first_r = 0u;
  if (ADJOINT) {
    first_r = first_tap(i32(phase) + PADDING_H, DILATION_H, STRIDE_H);
    // A tile begins at a multiple of STRIDE_W, so nothing is left over.
    left = (i32(column) + PADDING_W - i32(LAST + SHIFT_W)) / STRIDE_W;
  }

  // @registers
  var sum: array<vec4<f32>, IMAGES * PIXELS * VECTORS>;
  var r = first_r;
  loop {
    var h = top + i32(r) * DILATION_H;
    if (ADJOINT) {
      h = i32(row) + (i32(phase) + PADDING_H - i32(r) * DILATION_H) / STRIDE_H;
    }
    let row_inside = r < KERNEL_HEIGHT && h >= 0 && h < i32(IN_HEIGHT);
    if (!subgroupAny(row_inside)) {
      continue;
    }
    let line = (i32(image * IN_HEIGHT) + h) * i32(IN_WIDTH) + left;
    var input = group * GROUP_IN;
    loop {
      // @registers
      var held: array<vec4<f32>, HELD>;
      // @unroll
      for (var j = 0u; j < HELD; j++) {
        held[j] = load_weight(j * LANES + lane, r, group, input, output);
      }
      // begin run
      // @registers
      var pixel: array<vec4<f32>, IMAGES * SPAN>;
      // @unroll
      for (var j = 0u; j < IMAGES; j++) {
        // @unroll
        for (var i = 0u; i < SPAN; i++) {
          let w = left + i32(i);
          let inside = row_inside & (w >= 0) & (w < i32(IN_WIDTH));
          let value = own_at(u32(line + i32(j * IN_HEIGHT * IN_WIDTH + i)), input);
          pixel[j * SPAN + i] = select(vec4<f32>(), value, inside);
        }
      }
      // end run
      // @unroll
      for (var s = 0u; s < KERNEL_WIDTH; s++) {
        // @unroll
        for (var v = 0u; v < VECTORS; v++) {
          // @registers
          var block: array<vec4<f32>, 4>;
          // @unroll
          for (var i = 0u; i < 4u; i++) {
            if (ADJOINT) {
              block[i] = subgroupBroadcast(
                held[(s * BLOCK + 4u * v + i) / LANES], (s * BLOCK + 4u * v + i) % LANES);
            } else {
              block[i] = subgroupBroadcast(
                held[(s * BLOCK + i * VECTORS + v) / LANES], (s * BLOCK + i * VECTORS + v) % LANES);
            }
          }
          let m = mat4x4<f32>(block[0], block[1], block[2], block[3]);
          // @unroll
          for (var j = 0u; j < IMAGES; j++) {
            // @unroll
            for (var i = 0u; i < PHASE_PIXELS; i++) {
              if (ADJOINT) {
                sum[(j * PIXELS + i * SPREAD_W + (BACK - s * TAP_STEP_W) % SPREAD_W) * VECTORS + v] +=
                  pixel[j * SPAN + i * PIXEL_STEP_W + (AHEAD + s * TAP_STEP_W) / SPREAD_W] * m;
              } else {
                sum[(j * PIXELS + i * SPREAD_W + (BACK - s * TAP_STEP_W) % SPREAD_W) * VECTORS + v] +=
                  m * pixel[j * SPAN + i * PIXEL_STEP_W + (AHEAD + s * TAP_STEP_W) / SPREAD_W];
              }
            }
          }
        }
      }
      // Tests stand at the end: lavapipe runs the iteration that breaks at the top in full.
      continuing {
        input += 1u;
        break if input == (group + 1u) * GROUP_IN;
      }
    }
    continuing {
      r += TAP_STRIDE_H;
      break if r >= KERNEL_HEIGHT;
    }
  }

  let y = row * PHASES_H + phase;
  if (index >= TILES || y >= OUT_HEIGHT) {
    return;
  }
  // @registers
  var stored: array<Column, VECTORS>;
  // @unroll
  for (var v = 0u; v < VECTORS; v++) {
    stored[v] = load_column(output + v);
  }
  // @unroll
  for (var j = 0u; j < IMAGES; j++) {
    // @unroll
    for (var i = 0u; i < PIXELS; i++) {
      let x = column + i;
      if (x < OUT_WIDTH && image + j < BATCH) {
        let at = ((image + j) * OUT_HEIGHT + y) * OUT_WIDTH + x;
        // @unroll
        for (var v = 0u; v < VECTORS; v++) {
          if (output + v < (group + 1u) * GROUP_OUT) {
            store(at, stored[v], sum[(j * PIXELS + i) * VECTORS + v]);
          }
        }
      }
    }
  }
}
