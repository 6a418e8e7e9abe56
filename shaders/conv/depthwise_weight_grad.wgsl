// The weight gradient of a depthwise convolution (GROUPS = C = K).
//
//   dw[r,s,c] = sum over n,p,q of x[n, p*stride - padding + r*dilation, ..., c] dy[n,p,q,c]
//
// Layouts: x and dy NHWC, parts [SPLITS, R, S, 1, C], float32; one vec4 is four neighbouring
// channels. Each split sums some of the N P output rows; adding the splits in order gives dw.
//
// A thread sums TAP_ROWS kernel rows, on a CPU adapter all of a small kernel, for one vec4 of channels.
// It walks along the output rows and loads each run of PIXELS gradients once for all its taps, and the
// input pixels under them once for those of a kernel row.
//
// Mapping: thread -> (channel vector, chunk of kernel rows, split), channels first.
// Cost: 2 N P Q C R S operations; x and dy move at least once. A run takes PIXELS + TAP_ROWS SPAN loads;
// tiles of several output rows would take fewer, but their pixels no longer stay in registers: with two
// rows llvmpipe took twice as long.

const BATCH: u32 = 8u;
const IN_HEIGHT: u32 = 32u;
const IN_WIDTH: u32 = 32u;
const OUT_HEIGHT: u32 = 32u;
const OUT_WIDTH: u32 = 32u;
const CHANNELS: u32 = 64u;
const KERNEL_HEIGHT: u32 = 3u;
const KERNEL_WIDTH: u32 = 3u;
const STRIDE_H: u32 = 1u;
const STRIDE_W: u32 = 1u;
const PADDING_H: i32 = 1i;
const PADDING_W: i32 = 1i;
const DILATION_H: u32 = 1u;
const DILATION_W: u32 = 1u;
const SPLITS: u32 = 8u;
const TAP_ROWS: u32 = 3u;
const PIXELS: u32 = 8u;

const VECTORS: u32 = CHANNELS / 4u;
const CHUNKS: u32 = (KERNEL_HEIGHT + TAP_ROWS - 1u) / TAP_ROWS;
const SPAN: u32 = (PIXELS - 1u) * STRIDE_W + (KERNEL_WIDTH - 1u) * DILATION_W + 1u;
const COLUMN_TILES: u32 = (OUT_WIDTH + PIXELS - 1u) / PIXELS;
const RUNS: u32 = BATCH * OUT_HEIGHT * COLUMN_TILES;
const SPLIT_RUNS: u32 = (RUNS + SPLITS - 1u) / SPLITS;

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
  let chunk = thread / VECTORS % CHUNKS * TAP_ROWS;
  let split = thread / (VECTORS * CHUNKS);
  if (split >= SPLITS) {
    return;
  }

  // @registers
  var sum: array<vec4<f32>, TAP_ROWS * KERNEL_WIDTH>;
  var run = split * SPLIT_RUNS;
  let end = min(run + SPLIT_RUNS, RUNS);
  loop {
    let column = run % COLUMN_TILES * PIXELS;
    let row = run / COLUMN_TILES;
    let image = row / OUT_HEIGHT;
    let top = i32(row % OUT_HEIGHT * STRIDE_H + chunk * DILATION_H) - PADDING_H;
    let left = i32(column * STRIDE_W) - PADDING_W;
    // @registers
    var gradient: array<vec4<f32>, PIXELS>;
    // @unroll
    for (var i = 0u; i < PIXELS; i++) {
      let value = load_dy((row * OUT_WIDTH + column + i) * VECTORS + vector);
      gradient[i] = select(vec4<f32>(), value, column + i < OUT_WIDTH);
    }
    // @unroll
    for (var r = 0u; r < TAP_ROWS; r++) {
      let h = top + i32(r * DILATION_H);
      let row_inside = h >= 0 && h < i32(IN_HEIGHT);
      let line = (i32(image * IN_HEIGHT) + h) * i32(IN_WIDTH) + left;
      // @registers
      var pixel: array<vec4<f32>, SPAN>;
      // @unroll
      for (var i = 0u; i < SPAN; i++) {
        let w = left + i32(i);
        let value = load_x(u32(line + i32(i)) * VECTORS + vector);
        pixel[i] = select(vec4<f32>(), value, row_inside & (w >= 0) & (w < i32(IN_WIDTH)));
      }
      // @unroll
      for (var s = 0u; s < KERNEL_WIDTH; s++) {
        // @unroll
        for (var i = 0u; i < PIXELS; i++) {
          sum[r * KERNEL_WIDTH + s] += pixel[i * STRIDE_W + s * DILATION_W] * gradient[i];
        }
      }
    }
    // One loop for rows and columns, its test at the end: see weight_tile.wgsl.
    continuing {
      run += 1u;
      break if run >= end;
    }
  }

  // @unroll
  for (var r = 0u; r < TAP_ROWS; r++) {
    // @unroll
    for (var s = 0u; s < KERNEL_WIDTH; s++) {
      if (chunk + r < KERNEL_HEIGHT) {
        let tap = (split * KERNEL_HEIGHT + chunk + r) * KERNEL_WIDTH + s;
        parts[tap * VECTORS + vector] = sum[r * KERNEL_WIDTH + s];
      }
    }
  }
}
