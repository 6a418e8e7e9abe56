// The ladder of a convolution kernel, rung 3: a tile of sums in registers.
//
//   y[n,p,q,k] = sum over r,s,c of x[n, p + r - 1, q + s - 1, c] w[r,s,c,k]      r, s = 0, 1, 2
//
// The idea. Registers are the one memory that keeps up with the arithmetic units. A thread that
// computes ROWS pixels by COLUMNS output channels loads ROWS + COLUMNS numbers for ROWS * COLUMNS
// multiply-adds: an outer product. The loads grow with the tile's sides, the work with its area.
//
//                 8 output channels
//                +-----------------+
//       8 pixels |  64 sums, all   |     for each input channel: 8 + 8 numbers in,
//                |  in registers   |     64 multiply-adds done
//                +-----------------+
//
// Layouts: x [N, H, W, C / 4], w [3, 3, C, K / 4], y [N, H, W, K / 4], of vec4s.
// Mapping: a thread computes a tile of ROWS pixels that follow each other in memory (across the
// ends of image rows too, so that no thread has less to do) and COLUMNS neighbouring channels.
// Neighbouring threads have neighbouring channels of the same pixels.
// Cost: 2 * 9 N H W C K operations. For four input channels a thread loads 8 vec4s of pixels and 8
// of weights for 256 multiply-adds: 1 byte each, where rung 2 has 5.
//
// Gains over rung 2: a fifth of the bytes. It costs registers: 64 for sums, 32 for pixels, 8 and
// more for weights and places, so that a processor of 65,536 registers holds some 500 threads in the
// place of 2,048. There are fewer to step in while one waits for memory, but each has 64 independent
// sums to go on with. A tile of 16 x 8 would want some 200 registers: compilers then put sums into
// memory (they spill), and all is lost.
//
// An index of an array in registers has to be known when the kernel is compiled: there is no
// register "number i". So the loops are unrolled and the arrays become variables (expand.ts).

const BATCH: u32 = 2u;
const HEIGHT: u32 = 8u;
const WIDTH: u32 = 8u;
const IN_CHANNELS: u32 = 16u;
const OUT_CHANNELS: u32 = 24u;
const ROWS: u32 = 8u; // pixels of a thread's tile
const COLUMNS: u32 = 8u; // output channels of a thread's tile

const COLUMN_VECTORS: u32 = COLUMNS / 4u;
const IN_VECTORS: u32 = IN_CHANNELS / 4u;
const OUT_VECTORS: u32 = OUT_CHANNELS / 4u;
const CHANNEL_TILES: u32 = (OUT_VECTORS + COLUMN_VECTORS - 1u) / COLUMN_VECTORS;
const PIXELS: u32 = BATCH * HEIGHT * WIDTH;

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
  let thread = workgroup_number(workgroup, workgroups) * 64u + local;
  let vector = thread % CHANNEL_TILES * COLUMN_VECTORS;
  let first = thread / CHANNEL_TILES * ROWS;
  if (first >= PIXELS) {
    return;
  }
  // @registers
  var sum: array<vec4<f32>, ROWS * COLUMN_VECTORS>;
  for (var r = 0u; r < 3u; r++) {
    for (var s = 0u; s < 3u; s++) {
      // Where each pixel's tap lies. Outside of the image any place will do: it counts as zero.
      // @registers
      var inside: array<bool, ROWS>;
      // @unroll
      for (var i = 0u; i < ROWS; i++) {
        let p = (first + i) / WIDTH % HEIGHT + r - 1u;
        let q = (first + i) % WIDTH + s - 1u;
        inside[i] = p < HEIGHT && q < WIDTH && first + i < PIXELS;
      }
      let source = first + r * WIDTH + s - WIDTH - 1u;
      let tap = (r * 3u + s) * IN_CHANNELS;
      for (var c = 0u; c < IN_VECTORS; c++) {
        // @registers
        var pixel: array<vec4<f32>, ROWS>;
        // @unroll
        for (var i = 0u; i < ROWS; i++) {
          pixel[i] = select(vec4<f32>(), load_x((source + i) * IN_VECTORS + c), inside[i]);
        }
        // @unroll
        for (var d = 0u; d < 4u; d++) {
          // @unroll
          for (var v = 0u; v < COLUMN_VECTORS; v++) {
            let weight = load_w((tap + 4u * c + d) * OUT_VECTORS + vector + v);
            // @unroll
            for (var i = 0u; i < ROWS; i++) {
              sum[i * COLUMN_VECTORS + v] =
                fma(vec4<f32>(pixel[i][d]), weight, sum[i * COLUMN_VECTORS + v]);
            }
          }
        }
      }
    }
  }
  // @unroll
  for (var i = 0u; i < ROWS; i++) {
    // @unroll
    for (var v = 0u; v < COLUMN_VECTORS; v++) {
      if (first + i < PIXELS && vector + v < OUT_VECTORS) {
        y[(first + i) * OUT_VECTORS + vector + v] = sum[i * COLUMN_VECTORS + v];
      }
    }
  }
}
