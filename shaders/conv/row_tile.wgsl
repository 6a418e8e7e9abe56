const BATCH: u32 = 8u;
const IN_HEIGHT: u32 = 32u;
const IN_WIDTH: u32 = 32u;
const IN_VECTORS: u32 = 16u;
const OUT_HEIGHT: u32 = 32u;
const OUT_WIDTH: u32 = 32u;
const OUT_CHANNELS: u32 = 64u;
const KERNEL_HEIGHT: u32 = 3u;
const KERNEL_WIDTH: u32 = 3u;
const STRIDE_H: u32 = 1u;
const STRIDE_W: u32 = 1u;
const PADDING_H: i32 = 1i;
const PADDING_W: i32 = 1i;
const DILATION_H: u32 = 1u;
const DILATION_W: u32 = 1u;
const ADJOINT: bool = false;
const PIXELS: u32 = 8u;
const VECTORS: u32 = 2u;

const SPAN: u32 = (PIXELS - 1u) * STRIDE_W + (KERNEL_WIDTH - 1u) * DILATION_W + 1u;
const ROW_TILES: u32 = (OUT_WIDTH + PIXELS - 1u) / PIXELS;
const CHANNEL_TILES: u32 = (OUT_CHANNELS + 4u * VECTORS - 1u) / (4u * VECTORS);
const OUT_VECTORS: u32 = OUT_CHANNELS / 4u;

@group(0) @binding(0) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4<f32>>;

fn block(tap: u32, c: u32, k: u32) -> mat4x4<f32> {
  let channels = select(4u * IN_VECTORS, OUT_CHANNELS, ADJOINT);
  let vectors = select(OUT_VECTORS, IN_VECTORS, ADJOINT);
  let at = (tap * channels + 4u * c) * vectors + k;
  return mat4x4<f32>(weight[at], weight[at + vectors], weight[at + 2u * vectors], weight[at + 3u * vectors]);
}

@compute @workgroup_size(64)
fn main(
  @builtin(global_invocation_id) id: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
) {
  let thread = id.x + id.y * groups.x * 64u;
  let channel = thread % CHANNEL_TILES * VECTORS;
  let column = thread / CHANNEL_TILES % ROW_TILES * PIXELS;
  let row = thread / (CHANNEL_TILES * ROW_TILES) % OUT_HEIGHT;
  let image = thread / (CHANNEL_TILES * ROW_TILES * OUT_HEIGHT);
  if (image >= BATCH) {
    return;
  }
  // @registers
  var sum: array<vec4<f32>, PIXELS * VECTORS>;
  let top = i32(row * STRIDE_H) - PADDING_H;
  let left = i32(column * STRIDE_W) - PADDING_W;
  for (var r = 0u; r < KERNEL_HEIGHT; r++) {
    let h = top + i32(r * DILATION_H);
    if (h < 0 || h >= i32(IN_HEIGHT)) {
      continue;
    }
    let line = i32((image * IN_HEIGHT + u32(h)) * IN_WIDTH);
    var c = 0u;
    loop {
      // @registers
      var pixel: array<vec4<f32>, SPAN>;
      // @unroll
      for (var i = 0u; i < SPAN; i++) {
        let w = left + i32(i);
        let value = source[u32(line + w) * IN_VECTORS + c];
        pixel[i] = select(vec4<f32>(), value, w >= 0 && w < i32(IN_WIDTH));
      }
      // @unroll
      for (var s = 0u; s < KERNEL_WIDTH; s++) {
        // @unroll
        for (var v = 0u; v < VECTORS; v++) {
          if (ADJOINT) {
            let tap = KERNEL_HEIGHT * KERNEL_WIDTH - 1u - (r * KERNEL_WIDTH + s);
            let m = block(tap, channel + v, c);
            // @unroll
            for (var i = 0u; i < PIXELS; i++) {
              sum[i * VECTORS + v] += pixel[i * STRIDE_W + s * DILATION_W] * m;
            }
          } else {
            let m = block(r * KERNEL_WIDTH + s, c, channel + v);
            // @unroll
            for (var i = 0u; i < PIXELS; i++) {
              sum[i * VECTORS + v] += m * pixel[i * STRIDE_W + s * DILATION_W];
            }
          }
        }
      }
      continuing {
        c += 1u;
        break if c == IN_VECTORS;
      }
    }
  }
  let at = ((image * OUT_HEIGHT + row) * OUT_WIDTH + column) * OUT_VECTORS + channel;
  // @unroll
  for (var i = 0u; i < PIXELS; i++) {
    if (column + i < OUT_WIDTH) {
      // @unroll
      for (var v = 0u; v < VECTORS; v++) {
        if (channel + v < OUT_VECTORS) {
          result[at + i * OUT_VECTORS + v] = sum[i * VECTORS + v];
        }
      }
    }
  }
}
