// y[n,p,q,c] = position h * IN_WIDTH + w of the largest x[n,h,w,c] in the window that starts at
// (p STRIDE_H - PAD_H, q STRIDE_W - PAD_W) and takes every DILATION-th pixel; the first one in
// row-major order at a tie. Pixels of the padding take no part.
//
// Layout   x [N, H, W, C], y [N, P, Q, C] (u32)
// Threads  one invocation an element of y, neighbours on neighbouring channels; an element is four
//          channels where they come in fours, else one
// Cost     KERNEL_H KERNEL_W comparisons and loads an element; overlapping windows read from cache

const COUNT: u32 = 256u; // elements of y
const IN_HEIGHT: u32 = 8u;
const IN_WIDTH: u32 = 8u;
const CHANNELS: u32 = 4u; // in elements
const OUT_HEIGHT: u32 = 4u;
const OUT_WIDTH: u32 = 4u;
const KERNEL_H: u32 = 2u;
const KERNEL_W: u32 = 2u;
const STRIDE_H: u32 = 2u;
const STRIDE_W: u32 = 2u;
const PAD_H: u32 = 0u;
const PAD_W: u32 = 0u;
const DILATION_H: u32 = 1u;
const DILATION_W: u32 = 1u;
const WORKGROUP: u32 = 64u;

// begin types
alias F = vec4<f32>;
alias U = vec4<u32>;
// end types

// begin operands
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
fn load_x(i: u32) -> vec4<f32> {
  return x[i];
}
@group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;
// end operands

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
) {
  let i = workgroup_number(workgroup, workgroups) * WORKGROUP + local;
  if (i >= COUNT) {
    return;
  }
  let c = i % CHANNELS;
  let q = i / CHANNELS % OUT_WIDTH;
  let p = i / (CHANNELS * OUT_WIDTH) % OUT_HEIGHT;
  let n = i / (CHANNELS * OUT_WIDTH * OUT_HEIGHT);

  // The first pixel of the window that lies in the image. A padding is at most half a window, so
  // there is one.
  let above = max(p * STRIDE_H, PAD_H) - p * STRIDE_H;
  let before = max(q * STRIDE_W, PAD_W) - q * STRIDE_W;
  let top = p * STRIDE_H + (above + DILATION_H - 1u) / DILATION_H * DILATION_H - PAD_H;
  let left = q * STRIDE_W + (before + DILATION_W - 1u) / DILATION_W * DILATION_W - PAD_W;

  let image = n * IN_HEIGHT * IN_WIDTH;
  var where_ = U(top * IN_WIDTH + left);
  var largest = load_x((image + top * IN_WIDTH + left) * CHANNELS + c);
  // @unroll
  for (var a = 0u; a < KERNEL_H; a++) {
    // @unroll
    for (var b = 0u; b < KERNEL_W; b++) {
      // A pixel before the image wraps around: it is past the end too.
      let h = p * STRIDE_H + a * DILATION_H - PAD_H;
      let w = q * STRIDE_W + b * DILATION_W - PAD_W;
      let inside = h < IN_HEIGHT && w < IN_WIDTH;
      let position = select(top * IN_WIDTH + left, h * IN_WIDTH + w, inside);
      let value = load_x((image + position) * CHANNELS + c);
      // A NaN wins, so that it is seen and not lost. Its bits are tested, since a shader compiler
      // may assume that no value differs from itself.
      let nan = (bitcast<U>(value) & U(0x7fffffffu)) > U(0x7f800000u);
      let larger = (value > largest) | nan;
      largest = select(largest, value, larger);
      where_ = select(where_, U(position), larger);
    }
  }
  y[i] = where_;
}
