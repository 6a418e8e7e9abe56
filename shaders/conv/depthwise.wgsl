// Depthwise convolution (GROUPS = C = K) and its input gradient.
//
//   forward   y[n,p,q,c]  = sum over r,s of x[n, p*stride - padding + r*dilation, ..., c] w[r,s,c]
//   ADJOINT  dx[n,h,w,c]  = sum over r,s of dy[n,p,q,c] w[r,s,c]  where p*stride - padding + r*dilation = h, ...
//
// Layouts: activations NHWC, weights [R, S, 1, C], float32; one vec4 is four neighbouring channels.
//
// A thread computes PIXELS pixels of one output row for one vec4 of channels; for each kernel row
// it loads the run of input pixels once for all its taps. The adjoint of stride t falls into t
// phases (h mod t), each a correlation of stride 1 with every TAP_STRIDE-th tap: see tile.wgsl,
// whose constants these are. On a CPU adapter the operands are textures.
//
// Mapping: thread -> (channel vector, phase, column tile, row, image), channels first.
// Cost: 2 N P Q C R S operations (of the forward shape), few for its bytes: bandwidth and loads
// decide. Loads: (SPAN + SLOTS) / PIXELS a pixel and kernel row instead of 2 SLOTS.

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
const DILATION_H: i32 = 1i;
const DILATION_W: i32 = 1i;
const ADJOINT: bool = false;
const PHASES_H: u32 = 1u;
const PHASES_W: u32 = 1u;
const TAP_STRIDE_H: u32 = 1u;
const TAP_STRIDE_W: u32 = 1u;
const PIXEL_STEP: u32 = 1u;
const SLOT_STEP: u32 = 1u;
const PIXELS: u32 = 8u;

const VECTORS: u32 = CHANNELS / 4u;
const SLOTS: u32 = (KERNEL_WIDTH + TAP_STRIDE_W - 1u) / TAP_STRIDE_W;
const SPAN: u32 = (PIXELS - 1u) * PIXEL_STEP + (SLOTS - 1u) * SLOT_STEP + 1u;
const PHASE_ROWS: u32 = (OUT_HEIGHT + PHASES_H - 1u) / PHASES_H;
const PHASE_COLUMNS: u32 = (OUT_WIDTH + PHASES_W - 1u) / PHASES_W;
const COLUMN_TILES: u32 = (PHASE_COLUMNS + PIXELS - 1u) / PIXELS;

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
  let phase_w = thread / VECTORS % PHASES_W;
  let phase_h = thread / (VECTORS * PHASES_W) % PHASES_H;
  let tile = thread / (VECTORS * PHASES_W * PHASES_H);
  let column = tile % COLUMN_TILES * PIXELS;
  let row = tile / COLUMN_TILES % PHASE_ROWS;
  let image = tile / (COLUMN_TILES * PHASE_ROWS);
  let y = row * PHASES_H + phase_h;
  if (image >= BATCH || y >= OUT_HEIGHT) {
    return;
  }

  let top = i32(row) * STRIDE_H - PADDING_H;
  var left = i32(column) * STRIDE_W - PADDING_W;
  var first_r = 0u;
  var first_s = 0u;
  if (ADJOINT) {
    first_r = first_tap(i32(phase_h) + PADDING_H, DILATION_H, STRIDE_H);
    first_s = first_tap(i32(phase_w) + PADDING_W, DILATION_W, STRIDE_W);
    let last_s = i32(first_s + (SLOTS - 1u) * TAP_STRIDE_W);
    left = i32(column) + (i32(phase_w) + PADDING_W - last_s * DILATION_W) / STRIDE_W;
    first_r = select(first_r, NO_TAP, first_s >= KERNEL_WIDTH);
  }

  // @registers
  var sum: array<vec4<f32>, PIXELS>;
  for (var r = first_r; r < KERNEL_HEIGHT; r += TAP_STRIDE_H) {
    var h = top + i32(r) * DILATION_H;
    if (ADJOINT) {
      h = i32(row) + (i32(phase_h) + PADDING_H - i32(r) * DILATION_H) / STRIDE_H;
    }
    if (h < 0 || h >= i32(IN_HEIGHT)) {
      continue;
    }
    let line = (i32(image * IN_HEIGHT) + h) * i32(IN_WIDTH) + left;
    // @registers
    var pixel: array<vec4<f32>, SPAN>;
    // @unroll
    for (var i = 0u; i < SPAN; i++) {
      let w = left + i32(i);
      let value = load_own(u32(line + i32(i)) * VECTORS + vector);
      pixel[i] = select(vec4<f32>(), value, w >= 0 && w < i32(IN_WIDTH));
    }
    // @unroll
    for (var slot = 0u; slot < SLOTS; slot++) {
      let s = first_s + select(slot, SLOTS - 1u - slot, ADJOINT) * TAP_STRIDE_W;
      let tap = (FIRST_TAP_H + r) * WEIGHT_WIDTH + FIRST_TAP_W + s;
      let w = select(vec4<f32>(), load_weight(tap * VECTORS + vector), s < KERNEL_WIDTH);
      // @unroll
      for (var i = 0u; i < PIXELS; i++) {
        sum[i] += pixel[i * PIXEL_STEP + slot * SLOT_STEP] * w;
      }
    }
  }

  // @unroll
  for (var i = 0u; i < PIXELS; i++) {
    let x = (column + i) * PHASES_W + phase_w;
    if (x < OUT_WIDTH) {
      result[((image * OUT_HEIGHT + y) * OUT_WIDTH + x) * VECTORS + vector] = sum[i];
    }
  }
}
