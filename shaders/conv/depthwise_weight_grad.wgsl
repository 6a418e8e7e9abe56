// The weight gradient of a depthwise convolution (GROUPS = C = K).
//
//   dw[r,s,c] = sum over n,p,q of x[n, p*stride - padding + r*dilation, ..., c] dy[n,p,q,c]
//
// Layouts: x and dy NHWC, parts [SPLITS, R, S, 1, C], float32; one vec4 is four neighbouring
// channels. Each split sums some of the N P output rows; adding the splits in order gives dw.
//
// A thread sums all taps of one kernel row for one vec4 of channels. It walks along the output rows
// and loads each run of PIXELS gradients, and the input pixels under them, once for all its taps.
//
// Mapping: thread -> (channel vector, kernel row, split), channels first.
// Cost: 2 N P Q C R S operations; x and dy move at least once.

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
const PIXELS: u32 = 8u;

const VECTORS: u32 = CHANNELS / 4u;
const SPAN: u32 = (PIXELS - 1u) * STRIDE_W + (KERNEL_WIDTH - 1u) * DILATION_W + 1u;
const ROWS: u32 = BATCH * OUT_HEIGHT;
const SPLIT_ROWS: u32 = (ROWS + SPLITS - 1u) / SPLITS;

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
  let r = thread / VECTORS % KERNEL_HEIGHT;
  let split = thread / (VECTORS * KERNEL_HEIGHT);
  if (split >= SPLITS) {
    return;
  }

  // @registers
  var sum: array<vec4<f32>, KERNEL_WIDTH>;
  let end = min((split + 1u) * SPLIT_ROWS, ROWS);
  for (var row = split * SPLIT_ROWS; row < end; row++) {
    let h = i32(row % OUT_HEIGHT * STRIDE_H + r * DILATION_H) - PADDING_H;
    if (h < 0 || h >= i32(IN_HEIGHT)) {
      continue;
    }
    let line = (i32(row / OUT_HEIGHT * IN_HEIGHT) + h) * i32(IN_WIDTH);
    for (var column = 0u; column < OUT_WIDTH; column += PIXELS) {
      let left = i32(column * STRIDE_W) - PADDING_W;
      // @registers
      var pixel: array<vec4<f32>, SPAN>;
      // @unroll
      for (var i = 0u; i < SPAN; i++) {
        let w = left + i32(i);
        let value = load_x(u32(line + w) * VECTORS + vector);
        pixel[i] = select(vec4<f32>(), value, w >= 0 && w < i32(IN_WIDTH));
      }
      // @unroll
      for (var i = 0u; i < PIXELS; i++) {
        let q = column + i;
        let value = load_dy((row * OUT_WIDTH + q) * VECTORS + vector);
        let gradient = select(vec4<f32>(), value, q < OUT_WIDTH);
        // @unroll
        for (var s = 0u; s < KERNEL_WIDTH; s++) {
          sum[s] += pixel[i * STRIDE_W + s * DILATION_W] * gradient;
        }
      }
    }
  }

  // @unroll
  for (var s = 0u; s < KERNEL_WIDTH; s++) {
    parts[((split * KERNEL_HEIGHT + r) * KERNEL_WIDTH + s) * VECTORS + vector] = sum[s];
  }
}
