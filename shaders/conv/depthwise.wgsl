// Depthwise convolution (GROUPS = C = K) and its input gradient.
//
//   forward   y[n,p,q,c]  = sum over r,s of x[n, p*stride - padding + r*dilation, ..., c] w[r,s,c]
//   ADJOINT  dx[n,h,w,c]  = sum over r,s of dy[n,p,q,c] w[r,s,c]  where p*stride - padding + r*dilation = h, ...
//
// Layouts: activations NHWC, weights [R, S, 1, C], float32; one vec4 is four neighbouring channels.
//
// A thread computes a tile of ROWS x PIXELS results for one vec4 of channels. It loads the weights, then
// row by row the inputs of the tile, each once for all taps and results that meet it. The adjoint of
// stride t is a fractionally strided convolution, which reads dy as if SPREAD - 1 = t - 1 zeros stood
// between its pixels: a tap meets pixels of dy in every t-th result of the tile and zeros in the
// others, which are left out. See tile.wgsl, whose constants these are, here along both axes. On a CPU
// adapter the operands are textures.
//
// Mapping: thread -> (channel vector, column tile, row tile, image), channels first.
// Cost: 2 N P Q C R S operations (of the forward shape), few for its bytes: loads and stores decide. A
// tile takes SPAN_H SPAN_W + R S loads: 3 a result where 2 x 8 have 3 x 3 taps and stride 1, 1.2 in the
// adjoint of stride 2. Storing a vec4 takes llvmpipe as long as six loads (shaders/README.md).

const BATCH: u32 = 8u;
const IN_HEIGHT: u32 = 32u;
const IN_WIDTH: u32 = 32u;
const OUT_HEIGHT: u32 = 32u;
const OUT_WIDTH: u32 = 32u;
const CHANNELS: u32 = 64u;
const KERNEL_HEIGHT: u32 = 3u;
const KERNEL_WIDTH: u32 = 3u;
const FIRST_TAP_H: u32 = 0u;
const FIRST_TAP_W: u32 = 0u;
const WEIGHT_WIDTH: u32 = 3u;
const STRIDE_H: i32 = 1i;
const STRIDE_W: i32 = 1i;
const PADDING_H: i32 = 1i;
const PADDING_W: i32 = 1i;
const ADJOINT: bool = false;
const SPREAD_H: u32 = 1u;
const SPREAD_W: u32 = 1u;
const SHIFT_H: u32 = 0u;
const SHIFT_W: u32 = 0u;
const TAP_STEP_H: u32 = 1u;
const TAP_STEP_W: u32 = 1u;
const PIXEL_STEP_H: u32 = 1u;
const PIXEL_STEP_W: u32 = 1u;
// The tile, whole runs of all phases.
const ROWS: u32 = 2u;
const PIXELS: u32 = 8u;

const VECTORS: u32 = CHANNELS / 4u;
const PHASE_ROWS: u32 = ROWS / SPREAD_H;
const PHASE_PIXELS: u32 = PIXELS / SPREAD_W;
const LAST_H: u32 = (KERNEL_HEIGHT - 1u) * TAP_STEP_H;
const LAST_W: u32 = (KERNEL_WIDTH - 1u) * TAP_STEP_W;
const BACK_H: u32 = (LAST_H + 1u) * SPREAD_H - SHIFT_H;
const BACK_W: u32 = (LAST_W + 1u) * SPREAD_W - SHIFT_W;
const AHEAD_H: u32 = SHIFT_H + SPREAD_H - 1u;
const AHEAD_W: u32 = SHIFT_W + SPREAD_W - 1u;
const SPAN_H: u32 = (PHASE_ROWS - 1u) * PIXEL_STEP_H + (AHEAD_H + LAST_H) / SPREAD_H + 1u;
const SPAN_W: u32 = (PHASE_PIXELS - 1u) * PIXEL_STEP_W + (AHEAD_W + LAST_W) / SPREAD_W + 1u;
const ROW_TILES: u32 = (OUT_HEIGHT + ROWS - 1u) / ROWS;
const COLUMN_TILES: u32 = (OUT_WIDTH + PIXELS - 1u) / PIXELS;

// begin operands
@group(0) @binding(0) var<storage, read> own: array<vec4<f32>>;
fn load_own(i: u32) -> vec4<f32> {
  return own[i];
}
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
fn load_weight(i: u32) -> vec4<f32> {
  return weight[i];
}
@group(0) @binding(2) var<storage, read_write> result: array<vec4<f32>>;
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
  let vector = thread % VECTORS;
  let tile = thread / VECTORS;
  let column = tile % COLUMN_TILES * PIXELS;
  let row = tile / COLUMN_TILES % ROW_TILES * ROWS;
  let image = tile / (COLUMN_TILES * ROW_TILES);
  if (image >= BATCH) {
    return;
  }

  // The first row and column that the tile reads.
  var top = i32(row) * STRIDE_H - PADDING_H;
  var left = i32(column) * STRIDE_W - PADDING_W;
  if (ADJOINT) {
    // Tiles begin at multiples of the stride, so nothing is left over.
    top = (i32(row) + PADDING_H - i32(LAST_H + SHIFT_H)) / STRIDE_H;
    left = (i32(column) + PADDING_W - i32(LAST_W + SHIFT_W)) / STRIDE_W;
  }

  // In the order of the inputs that they meet.
  // @registers
  var weights: array<vec4<f32>, KERNEL_HEIGHT * KERNEL_WIDTH>;
  // @unroll
  for (var j = 0u; j < KERNEL_HEIGHT; j++) {
    // @unroll
    for (var i = 0u; i < KERNEL_WIDTH; i++) {
      let r = FIRST_TAP_H + select(j, KERNEL_HEIGHT - 1u - j, ADJOINT);
      let s = FIRST_TAP_W + select(i, KERNEL_WIDTH - 1u - i, ADJOINT);
      weights[j * KERNEL_WIDTH + i] = load_weight((r * WEIGHT_WIDTH + s) * VECTORS + vector);
    }
  }

  // @registers
  var pixel: array<vec4<f32>, SPAN_H * SPAN_W>;
  // @unroll
  for (var j = 0u; j < SPAN_H; j++) {
    let h = top + i32(j);
    let row_inside = h >= 0 && h < i32(IN_HEIGHT);
    let line = (i32(image * IN_HEIGHT) + h) * i32(IN_WIDTH) + left;
    // @unroll
    for (var i = 0u; i < SPAN_W; i++) {
      let w = left + i32(i);
      let value = load_own(u32(line + i32(i)) * VECTORS + vector);
      pixel[j * SPAN_W + i] =
        select(vec4<f32>(), value, row_inside & (w >= 0) & (w < i32(IN_WIDTH)));
    }
  }

  // @registers
  var sum: array<vec4<f32>, ROWS * PIXELS>;
  // @unroll
  for (var r = 0u; r < KERNEL_HEIGHT; r++) {
    // @unroll
    for (var j = 0u; j < PHASE_ROWS; j++) {
      // The row of inputs that a row of taps meets for a row of results, and what it adds to that.
      // @registers
      var met: array<vec4<f32>, SPAN_W>;
      // @unroll
      for (var i = 0u; i < SPAN_W; i++) {
        met[i] = pixel[(j * PIXEL_STEP_H + (AHEAD_H + r * TAP_STEP_H) / SPREAD_H) * SPAN_W + i];
      }
      // @registers
      var added: array<vec4<f32>, PIXELS>;
      // @unroll
      for (var s = 0u; s < KERNEL_WIDTH; s++) {
        // @unroll
        for (var i = 0u; i < PHASE_PIXELS; i++) {
          added[i * SPREAD_W + (BACK_W - s * TAP_STEP_W) % SPREAD_W] +=
            met[i * PIXEL_STEP_W + (AHEAD_W + s * TAP_STEP_W) / SPREAD_W] *
            weights[r * KERNEL_WIDTH + s];
        }
      }
      // @unroll
      for (var i = 0u; i < PIXELS; i++) {
        sum[(j * SPREAD_H + (BACK_H - r * TAP_STEP_H) % SPREAD_H) * PIXELS + i] += added[i];
      }
    }
  }

  // @unroll
  for (var j = 0u; j < ROWS; j++) {
    // @unroll
    for (var i = 0u; i < PIXELS; i++) {
      if (row + j < OUT_HEIGHT && column + i < OUT_WIDTH) {
        let at = (image * OUT_HEIGHT + row + j) * OUT_WIDTH + column + i;
        result[at * VECTORS + vector] = sum[j * PIXELS + i];
      }
    }
  }
}
