// The ladder of a convolution kernel, rung 2: four numbers a load.
//
//   y[n,p,q,k] = sum over r,s,c of x[n, p + r - 1, q + s - 1, c] w[r,s,c,k]      r, s = 0, 1, 2
//
// The idea. Memory is wired for lines of 32 to 128 bytes, and an instruction that loads 16 bytes
// costs as much to issue as one that loads 4. So let an element be a vec4: four neighbouring input
// channels of a pixel, or four neighbouring output channels of a weight. Four input channels meet
// four output channels in a 4 x 4 block of weights:
//
//             w[c]    = . . . .
//   x = abcd  w[c+1]  = . . . .      sum += a w[c] + b w[c+1] + c w[c+2] + d w[c+3]
//             w[c+2]  = . . . .
//             w[c+3]  = . . . .      5 loads, 16 multiply-adds
//
// Layouts: x [N, H, W, C / 4], w [3, 3, C, K / 4], y [N, H, W, K / 4], of vec4s.
// Mapping: a thread computes four neighbouring output channels of a pixel.
// Cost: 2 * 9 N H W C K operations. For 16 multiply-adds a thread asks for 16 bytes of x and 64 of w:
// 5 bytes each, where rung 1 has 8; and for 5 loads where that has 32.
//
// Gains over rung 1: a sixth of the load instructions. Pixels are used four times once they are
// loaded; weights, still, once.
//
// Order. The four products are added one after the other, in the order of rung 1, so the result has
// the same bits. A dot product would be shorter to write and would round in an order of its own.

const BATCH: u32 = 2u;
const HEIGHT: u32 = 8u;
const WIDTH: u32 = 8u;
const IN_CHANNELS: u32 = 16u;
const OUT_CHANNELS: u32 = 24u;

const IN_VECTORS: u32 = IN_CHANNELS / 4u;
const OUT_VECTORS: u32 = OUT_CHANNELS / 4u;

// begin operands
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
fn load_x(i: u32) -> vec4<f32> {
  return x[i];
}
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
fn load_w(i: u32) -> vec4<f32> {
  return w[i];
}
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
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
  let k = at % OUT_VECTORS;
  let pixel = at / OUT_VECTORS;
  if (pixel >= BATCH * HEIGHT * WIDTH) {
    return;
  }
  let q = pixel % WIDTH;
  let p = pixel / WIDTH % HEIGHT;
  var sum = vec4<f32>();
  for (var r = 0u; r < 3u; r++) {
    for (var s = 0u; s < 3u; s++) {
      if (p + r - 1u >= HEIGHT || q + s - 1u >= WIDTH) {
        continue;
      }
      let source = (pixel + r * WIDTH + s - WIDTH - 1u) * IN_VECTORS;
      let weight = (r * 3u + s) * IN_CHANNELS * OUT_VECTORS + k;
      for (var c = 0u; c < IN_VECTORS; c++) {
        let value = load_x(source + c);
        // @unroll
        for (var i = 0u; i < 4u; i++) {
          sum = fma(vec4<f32>(value[i]), load_w(weight + (4u * c + i) * OUT_VECTORS), sum);
        }
      }
    }
  }
  y[at] = sum;
}
