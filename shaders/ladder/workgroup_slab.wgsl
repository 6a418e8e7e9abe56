// The ladder of a convolution kernel, rung 4: slabs in workgroup memory.
//
//   y[n,p,q,k] = sum over r,s,c of x[n, p + r - 1, q + s - 1, c] w[r,s,c,k]      r, s = 0, 1, 2
//
// The idea. Neighbouring threads of rung 3 ask for the same pixels and the same weights again. A
// workgroup has memory of its own beside its arithmetic units: let its threads load each number
// once, together, and read it there. So a convolution becomes a product of matrices
//
//   [N H W, 9 C] times [9 C, K]      a row is a pixel's window, a column an output channel
//
// whose first factor is never written down (an implicit matrix product). A workgroup computes a
// block of TILE_PIXELS x 4 TILE_VECTORS = 64 x 64 of the result and walks along the inner dimension
// 9 C in slabs of DEPTH = 8: input channels of one tap.
//
//     9 C -->                       64 channels
//   +---+---+---+---                +--------+
//   |slb|slb|   |       64 pixels   |        | <- slab: 8 x 64 weights
//   +---+---+---+---    of a tap    +--------+
//    8 x 64 pixels                  | 64 x 64|    each of 64 threads: 8 x 8 sums
//
// Layouts: x [N, H, W, C / 4], w [3, 3, C, K / 4], y [N, H, W, K / 4], of vec4s; C a multiple of 8.
// In workgroup memory, what a thread will read lies in one row, vec4 after vec4: of pixels a row for
// each row of threads, of weights a row for each column of threads.
// Mapping: workgroup -> (channel tile, pixel tile), channel tiles first, so that workgroups which run
// together read the same pixels. Thread -> (thread_x, thread_y): sums of the pixels 8 thread_y + i and
// the output vectors thread_x and 8 + thread_x, so that neighbouring threads store neighbouring vec4s.
// Cost: 2 * 9 N H W C K operations. From buffers a workgroup loads (64 + 64) * 4 bytes for 64 * 64
// multiply-adds, 1/8 byte each, where rung 3 has 1 byte. From workgroup memory: 1 byte each.
//
// Gains over rung 3: an eighth of the bytes from buffers. An H200 does 7.5 multiply-adds in the time
// that its memory takes for a byte (60 TFLOP/s, 4 TB/s): at 1 byte each it depends on its caches, at
// 1/8 it does not. On a processor workgroup memory is ordinary memory, and this is slower than rung 3:
// every number is copied for nothing.
//
// Two barriers a slab: nobody reads before all have written, nobody writes before all have read.
// What is wrong with it stands in the next two rungs: all wait together for memory, and threads
// that read at the same time stand in each other's way.

const BATCH: u32 = 2u;
const HEIGHT: u32 = 8u;
const WIDTH: u32 = 8u;
const IN_CHANNELS: u32 = 16u; // whole slabs
const OUT_CHANNELS: u32 = 24u;

const ROWS: u32 = 8u; // of a thread's sums: pixels
const COLUMNS: u32 = 8u; // of a thread's sums: output channels
const THREADS_X: u32 = 8u; // along channels
const THREADS_Y: u32 = 8u; // along pixels
const DEPTH: u32 = 8u; // of a slab: input channels of one tap

const COLUMN_VECTORS: u32 = COLUMNS / 4u;
const DEPTH_VECTORS: u32 = DEPTH / 4u;
const THREADS: u32 = THREADS_X * THREADS_Y;
const IN_VECTORS: u32 = IN_CHANNELS / 4u;
const OUT_VECTORS: u32 = OUT_CHANNELS / 4u;
const PIXELS: u32 = BATCH * HEIGHT * WIDTH;
const TILE_PIXELS: u32 = THREADS_Y * ROWS;
const TILE_VECTORS: u32 = THREADS_X * COLUMN_VECTORS;
const CHANNEL_TILES: u32 = (OUT_VECTORS + TILE_VECTORS - 1u) / TILE_VECTORS;
const TAP_SLABS: u32 = IN_CHANNELS / DEPTH;
const SLABS: u32 = 9u * TAP_SLABS;
const PIXEL_LOADS: u32 = TILE_PIXELS * DEPTH_VECTORS / THREADS;
const WEIGHT_LOADS: u32 = DEPTH * TILE_VECTORS / THREADS;
const PIXEL_ROW: u32 = ROWS * DEPTH_VECTORS;
const WEIGHT_ROW: u32 = DEPTH * COLUMN_VECTORS;

// A pixel whose taps a thread loads: its number, and its row and column in the image.
struct Place {
  pixel: u32,
  p: u32,
  q: u32,
}

fn place_of(pixel: u32) -> Place {
  return Place(pixel, pixel / WIDTH % HEIGHT, pixel % WIDTH);
}

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

// The vec4 numbered d of a pixel in a slab; what lies outside of the image is zero.
fn fetch_pixel(slab: u32, place: Place, d: u32) -> vec4<f32> {
  let r = slab / TAP_SLABS / 3u;
  let s = slab / TAP_SLABS % 3u;
  let inside =
    place.p + r - 1u < HEIGHT && place.q + s - 1u < WIDTH && place.pixel < PIXELS;
  let source = (place.pixel + r * WIDTH + s - WIDTH - 1u) * IN_VECTORS;
  return select(vec4<f32>(), load_x(source + slab % TAP_SLABS * DEPTH_VECTORS + d), inside);
}

// The n-th vec4 of a slab's weights: TILE_VECTORS for each input channel. Past the last output
// channel it is another's weight, in a sum that nobody stores.
fn fetch_weight(slab: u32, vector: u32, n: u32) -> vec4<f32> {
  return load_w((slab * DEPTH + n / TILE_VECTORS) * OUT_VECTORS + vector + n % TILE_VECTORS);
}

var<workgroup> pixel_slab: array<array<vec4<f32>, PIXEL_ROW>, THREADS_Y>;
var<workgroup> weight_slab: array<array<vec4<f32>, WEIGHT_ROW>, THREADS_X>;

// begin workgroup_number
// The number of a workgroup: a dispatch of more than fit one dimension goes on in the second.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// end workgroup_number

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let number = workgroup_number(workgroup, workgroups);
  let vector = number % CHANNEL_TILES * TILE_VECTORS;
  let first = number / CHANNEL_TILES * TILE_PIXELS;
  if (first >= PIXELS) {
    return;
  }
  let thread_x = local % THREADS_X;
  let thread_y = local / THREADS_X;
  // @registers
  var place: array<Place, PIXEL_LOADS>;
  // @unroll
  for (var l = 0u; l < PIXEL_LOADS; l++) {
    place[l] = place_of(first + (l * THREADS + local) / DEPTH_VECTORS);
  }
  // @registers
  var sum: array<vec4<f32>, ROWS * COLUMN_VECTORS>;
  for (var slab = 0u; slab < SLABS; slab++) {
    // @unroll
    for (var l = 0u; l < PIXEL_LOADS; l++) {
      let n = l * THREADS + local;
      pixel_slab[n / PIXEL_ROW][n % PIXEL_ROW] =
        fetch_pixel(slab, place[l], local % DEPTH_VECTORS);
    }
    // @unroll
    for (var l = 0u; l < WEIGHT_LOADS; l++) {
      let n = l * THREADS + local;
      let at = n / TILE_VECTORS * COLUMN_VECTORS + n % TILE_VECTORS / THREADS_X;
      weight_slab[n % THREADS_X][at] = fetch_weight(slab, vector, n);
    }
    workgroupBarrier();

    // @unroll
    for (var d = 0u; d < DEPTH_VECTORS; d++) {
      // @registers
      var pixel: array<vec4<f32>, ROWS>;
      // @unroll
      for (var i = 0u; i < ROWS; i++) {
        pixel[i] = pixel_slab[thread_y][i * DEPTH_VECTORS + d];
      }
      // @unroll
      for (var c = 0u; c < 4u; c++) {
        // @unroll
        for (var v = 0u; v < COLUMN_VECTORS; v++) {
          let weight = weight_slab[thread_x][(d * 4u + c) * COLUMN_VECTORS + v];
          // @unroll
          for (var i = 0u; i < ROWS; i++) {
            sum[i * COLUMN_VECTORS + v] =
              fma(vec4<f32>(pixel[i][c]), weight, sum[i * COLUMN_VECTORS + v]);
          }
        }
      }
    }
    workgroupBarrier();
  }
  // @unroll
  for (var i = 0u; i < ROWS; i++) {
    // @unroll
    for (var v = 0u; v < COLUMN_VECTORS; v++) {
      let at = first + thread_y * ROWS + i;
      let k = vector + v * THREADS_X + thread_x;
      if (at < PIXELS && k < OUT_VECTORS) {
        y[at * OUT_VECTORS + k] = sum[i * COLUMN_VECTORS + v];
      }
    }
  }
}
