// The ladder of a convolution kernel, rung 1: the formula.
//
//   y[n,p,q,k] = sum over r,s,c of x[n, p + r - 1, q + s - 1, c] w[r,s,c,k]      r, s = 0, 1, 2
//
// A 3 x 3 convolution of stride 1, padded by one so that y is as large as x. What lies outside of
// the image counts as zero.
//
// Layouts: x [N, H, W, C], w [3, 3, C, K], y [N, H, W, K], float32.
// Mapping: a thread computes an element of y; neighbouring threads have neighbouring k. So a warp
// reads neighbouring weights, and all its threads the same value of x.
// Cost: 2 * 9 N H W C K operations. A thread asks for 4 bytes of x and 4 of w for each multiply-add:
// 8 bytes for 2 operations.
//
// Why it is slow. Nothing is kept: each value of x is asked for 9 K times, each weight N H W times.
// Caches answer most of that, but a cache answers one request at a time too: of three instructions,
// two are loads, and the arithmetic units wait. All rungs above do one thing, over and over: ask
// less often for the same numbers.

const BATCH: u32 = 2u;
const HEIGHT: u32 = 8u;
const WIDTH: u32 = 8u;
const IN_CHANNELS: u32 = 16u;
const OUT_CHANNELS: u32 = 24u;

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
  let pixel = at / OUT_CHANNELS;
  if (pixel >= BATCH * HEIGHT * WIDTH) {
    return;
  }
  let q = pixel % WIDTH;
  let p = pixel / WIDTH % HEIGHT;
  var sum = 0.0;
  for (var r = 0u; r < 3u; r++) {
    for (var s = 0u; s < 3u; s++) {
      // One less than nothing is a very large number, so one comparison tests both edges.
      if (p + r - 1u >= HEIGHT || q + s - 1u >= WIDTH) {
        continue;
      }
      let source = (pixel + r * WIDTH + s - WIDTH - 1u) * IN_CHANNELS;
      let weight = (r * 3u + s) * IN_CHANNELS * OUT_CHANNELS + k;
      for (var c = 0u; c < IN_CHANNELS; c++) {
        sum = fma(load_x(source + c), load_w(weight + c * OUT_CHANNELS), sum);
      }
    }
  }
  y[at] = sum;
}
