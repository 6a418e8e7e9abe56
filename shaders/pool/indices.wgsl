// y[n,p,q,c] = position h * IN_WIDTH + w of the largest x[n,h,w,c] in the window that starts at
// (p STRIDE_H - PAD_H, q STRIDE_W - PAD_W); the first one in row-major order at a tie. Pixels of
// the padding take no part.
//
// Layout   x [N, H, W, C], y [N, P, Q, C] (u32)
// Threads  one invocation an element of y, neighbours on neighbouring channels
// Cost     KERNEL_H KERNEL_W comparisons and loads an element; overlapping windows read from cache

const COUNT: u32 = 1024u; // elements of y
const IN_HEIGHT: u32 = 8u;
const IN_WIDTH: u32 = 8u;
const CHANNELS: u32 = 16u;
const OUT_HEIGHT: u32 = 4u;
const OUT_WIDTH: u32 = 4u;
const KERNEL_H: u32 = 2u;
const KERNEL_W: u32 = 2u;
const STRIDE_H: u32 = 2u;
const STRIDE_W: u32 = 2u;
const PAD_H: u32 = 0u;
const PAD_W: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 64u + lane;
  if (i >= COUNT) {
    return;
  }
  let c = i % CHANNELS;
  let q = i / CHANNELS % OUT_WIDTH;
  let p = i / (CHANNELS * OUT_WIDTH) % OUT_HEIGHT;
  let n = i / (CHANNELS * OUT_WIDTH * OUT_HEIGHT);

  // The window, cut to the image. A padding is at most half a window, so it is never empty.
  let top = max(p * STRIDE_H, PAD_H) - PAD_H;
  let left = max(q * STRIDE_W, PAD_W) - PAD_W;
  let bottom = min(p * STRIDE_H + KERNEL_H - PAD_H, IN_HEIGHT);
  let right = min(q * STRIDE_W + KERNEL_W - PAD_W, IN_WIDTH);

  let image = n * IN_HEIGHT * IN_WIDTH;
  var where_ = top * IN_WIDTH + left;
  var largest = x[(image + where_) * CHANNELS + c];
  for (var h = top; h < bottom; h++) {
    for (var w = left; w < right; w++) {
      let position = h * IN_WIDTH + w;
      let value = x[(image + position) * CHANNELS + c];
      // A NaN wins, so that it is seen and not lost. Its bits are tested, since a shader compiler
      // may assume that no value differs from itself.
      let nan = (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u;
      if (value > largest || nan) {
        largest = value;
        where_ = position;
      }
    }
  }
  y[i] = where_;
}
