// Convolution of any shape: the general kernel, for what the tiles don't take (groups, odd channel
// counts). Depthwise convolution is the case GROUPS = C.
//
//   y[n,p,q,k] = sum over r,s,c of x[n, p*stride - padding + r*dilation, ..., c] w[r,s,c,k]
//
// Layouts: x [N, H, W, C], w [R, S, C / GROUPS, K], y [N, P, Q, K], float32. Output channel k reads
// the C / GROUPS input channels of its group.
// Mapping: one thread computes one element of y; neighbouring threads have neighbouring k.
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

const GROUP_IN: u32 = IN_CHANNELS / GROUPS;
const GROUP_OUT: u32 = OUT_CHANNELS / GROUPS;

// begin operands
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 {
  return x[i];
}
@group(0) @binding(1) var<storage, read> w: array<f32>;
fn load_w(i: u32) -> f32 {
  return w[i];
}
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
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
  let q = at / OUT_CHANNELS % OUT_WIDTH;
  let p = at / (OUT_CHANNELS * OUT_WIDTH) % OUT_HEIGHT;
  let n = at / (OUT_CHANNELS * OUT_WIDTH * OUT_HEIGHT);
  if (n >= BATCH) {
    return;
  }
  let first = k / GROUP_OUT * GROUP_IN;
  var sum = 0.0;
  for (var r = 0u; r < KERNEL_HEIGHT; r++) {
    let row = i32(p * STRIDE_H + r * DILATION_H) - PADDING_H;
    for (var s = 0u; s < KERNEL_WIDTH; s++) {
      let column = i32(q * STRIDE_W + s * DILATION_W) - PADDING_W;
      if (row < 0 || row >= i32(IN_HEIGHT) || column < 0 || column >= i32(IN_WIDTH)) {
        continue;
      }
      let source = ((n * IN_HEIGHT + u32(row)) * IN_WIDTH + u32(column)) * IN_CHANNELS + first;
      let weight = (r * KERNEL_WIDTH + s) * GROUP_IN * OUT_CHANNELS + k;
      for (var c = 0u; c < GROUP_IN; c++) {
        sum += load_x(source + c) * load_w(weight + c * OUT_CHANNELS);
      }
    }
  }
  y[at] = sum;
}
