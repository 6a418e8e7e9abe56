// x[n,h,w,c] = sum of y[n,p,q,c] over the windows (p, q) whose largest element lies at (h, w):
// the transpose of gather.wgsl. Each input pixel looks through the few windows that hold it, so
// no two invocations write to the same place and the order of the sum is fixed.
//
// Layout   y [N, P, Q, C], indices [N, P, Q, C] (u32), x [N, H, W, C]
// Threads  one invocation an element of x: four channels where they come in fours, else one
// Cost     ceil(KERNEL / STRIDE)^2 comparisons and additions an element

const COUNT: u32 = 1024u; // elements of x
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
const WORKGROUP: u32 = 64u;

const WINDOWS_H: u32 = (KERNEL_H + STRIDE_H - 1u) / STRIDE_H;
const WINDOWS_W: u32 = (KERNEL_W + STRIDE_W - 1u) / STRIDE_W;

// begin types
alias F = vec4<f32>;
alias U = vec4<u32>;
// end types

// begin operands
@group(0) @binding(0) var<storage, read> y: array<vec4<f32>>;
fn load_y(i: u32) -> vec4<f32> {
  return y[i];
}
@group(0) @binding(1) var<storage, read> indices: array<vec4<u32>>;
fn load_indices(i: u32) -> vec4<u32> {
  return indices[i];
}
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
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
  let w = i / CHANNELS % IN_WIDTH;
  let h = i / (CHANNELS * IN_WIDTH) % IN_HEIGHT;
  let n = i / (CHANNELS * IN_WIDTH * IN_HEIGHT);

  // The last window that starts at or before this pixel, and those before it. One that is not there
  // wraps around or lies past the end; one that does not hold the pixel never points to it.
  let last_p = (h + PAD_H) / STRIDE_H;
  let last_q = (w + PAD_W) / STRIDE_W;
  var total = F(0.0);
  // @unroll
  for (var a = 0u; a < WINDOWS_H; a++) {
    // @unroll
    for (var b = 0u; b < WINDOWS_W; b++) {
      let p = last_p + a - (WINDOWS_H - 1u);
      let q = last_q + b - (WINDOWS_W - 1u);
      if (p < OUT_HEIGHT && q < OUT_WIDTH) {
        let from_ = ((n * OUT_HEIGHT + p) * OUT_WIDTH + q) * CHANNELS + c;
        total += select(F(0.0), load_y(from_), load_indices(from_) == U(h * IN_WIDTH + w));
      }
    }
  }
  x[i] = total;
}
