// The input gradient of a convolution of any shape: the general kernel.
//
//   dx[n,h,w,c] = sum over r,s,k of dy[n,p,q,k] w[r,s,c,k]
//   where p*stride - padding + r*dilation = h has a p in 0 .. P-1, and q likewise
//
// Layouts: dy [N, P, Q, K], w [R, S, C / GROUPS, K], dx [N, H, W, C], float32. Input channel c gets
// gradient from the K / GROUPS output channels of its group; a pixel that no window touches gets 0.
// Mapping: one thread computes one element of dx; neighbouring threads have neighbouring c.
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
@group(0) @binding(0) var<storage, read> dy: array<f32>;
fn load_dy(i: u32) -> f32 {
  return dy[i];
}
@group(0) @binding(1) var<storage, read> w: array<f32>;
fn load_w(i: u32) -> f32 {
  return w[i];
}
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
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
  let c = at % IN_CHANNELS;
  let column = at / IN_CHANNELS % IN_WIDTH;
  let row = at / (IN_CHANNELS * IN_WIDTH) % IN_HEIGHT;
  let n = at / (IN_CHANNELS * IN_WIDTH * IN_HEIGHT);
  if (n >= BATCH) {
    return;
  }
  let first = c / GROUP_IN * GROUP_OUT;
  var sum = 0.0;
  for (var r = 0u; r < KERNEL_HEIGHT; r++) {
    let down = i32(row) + PADDING_H - i32(r * DILATION_H);
    let p = down / i32(STRIDE_H);
    if (down < 0 || down % i32(STRIDE_H) != 0 || p >= i32(OUT_HEIGHT)) {
      continue;
    }
    for (var s = 0u; s < KERNEL_WIDTH; s++) {
      let right = i32(column) + PADDING_W - i32(s * DILATION_W);
      let q = right / i32(STRIDE_W);
      if (right < 0 || right % i32(STRIDE_W) != 0 || q >= i32(OUT_WIDTH)) {
        continue;
      }
      let source = ((n * OUT_HEIGHT + u32(p)) * OUT_WIDTH + u32(q)) * OUT_CHANNELS + first;
      let tap = r * KERNEL_WIDTH + s;
      let weight = (tap * GROUP_IN + c % GROUP_IN) * OUT_CHANNELS + first;
      for (var k = 0u; k < GROUP_OUT; k++) {
        sum += load_dy(source + k) * load_w(weight + k);
      }
    }
  }
  dx[at] = sum;
}
