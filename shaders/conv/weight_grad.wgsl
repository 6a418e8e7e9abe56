// The weight gradient of a convolution of any shape: the general kernel.
//
//   dw[r,s,c,k] = sum over n,p,q of x[n, p*stride - padding + r*dilation, ..., c] dy[n,p,q,k]
//
// Layouts: x [N, H, W, C], dy [N, P, Q, K], parts [SPLITS, R, S, C / GROUPS, K], float32; c counts
// within k's group. Each split sums some of the N P output rows; adding the splits in order gives dw.
// Mapping: one thread computes one element of parts; neighbouring threads have neighbouring k.
// Cost: 2 N P Q K R S C / GROUPS operations; no reuse: two loads for each multiply-add.

const BATCH: u32 = 2u;
const IN_HEIGHT: u32 = 8u;
const IN_WIDTH: u32 = 8u;
const IN_CHANNELS: u32 = 3u;
const OUT_HEIGHT: u32 = 8u;
const OUT_WIDTH: u32 = 8u;
const OUT_CHANNELS: u32 = 5u;
const KERNEL_HEIGHT: u32 = 3u;
const KERNEL_WIDTH: u32 = 3u;
const STRIDE_H: u32 = 1u;
const STRIDE_W: u32 = 1u;
const PADDING_H: i32 = 1i;
const PADDING_W: i32 = 1i;
const DILATION_H: u32 = 1u;
const DILATION_W: u32 = 1u;
const GROUPS: u32 = 1u;
const SPLITS: u32 = 2u;

const GROUP_IN: u32 = IN_CHANNELS / GROUPS;
const GROUP_OUT: u32 = OUT_CHANNELS / GROUPS;
const ROWS: u32 = BATCH * OUT_HEIGHT;
const SPLIT_ROWS: u32 = (ROWS + SPLITS - 1u) / SPLITS;

// begin operands
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 {
  return x[i];
}
@group(0) @binding(1) var<storage, read> dy: array<f32>;
fn load_dy(i: u32) -> f32 {
  return dy[i];
}
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;
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
  let at = workgroup_number(workgroup, workgroups) * 64u + local;
  let k = at % OUT_CHANNELS;
  let c = at / OUT_CHANNELS % GROUP_IN + k / GROUP_OUT * GROUP_IN;
  let s = at / (OUT_CHANNELS * GROUP_IN) % KERNEL_WIDTH;
  let r = at / (OUT_CHANNELS * GROUP_IN * KERNEL_WIDTH) % KERNEL_HEIGHT;
  let split = at / (OUT_CHANNELS * GROUP_IN * KERNEL_WIDTH * KERNEL_HEIGHT);
  if (split >= SPLITS) {
    return;
  }
  var sum = 0.0;
  let end = min((split + 1u) * SPLIT_ROWS, ROWS);
  for (var line = split * SPLIT_ROWS; line < end; line++) {
    let row = i32(line % OUT_HEIGHT * STRIDE_H + r * DILATION_H) - PADDING_H;
    if (row < 0 || row >= i32(IN_HEIGHT)) {
      continue;
    }
    let source = (line / OUT_HEIGHT * IN_HEIGHT + u32(row)) * IN_WIDTH;
    for (var q = 0u; q < OUT_WIDTH; q++) {
      let column = i32(q * STRIDE_W + s * DILATION_W) - PADDING_W;
      if (column < 0 || column >= i32(IN_WIDTH)) {
        continue;
      }
      sum += load_x((source + u32(column)) * IN_CHANNELS + c)
        * load_dy((line * OUT_WIDTH + q) * OUT_CHANNELS + k);
    }
  }
  parts[at] = sum;
}
