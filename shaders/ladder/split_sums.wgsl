// The ladder of a convolution kernel, rung 8: sums in parts, added in a fixed order.
//
//   parts[t,n,p,q,k] = sum over the slabs of part t of x[..] w[..],   y = parts[0] + parts[1] + ...
//
// The idea. Deep in a network images are small and channels many: [1, 8, 8, 512] has a single tile of
// 64 pixels, and with 512 output channels there are eight workgroups for a GPU of 132 processors. But
// the inner dimension is 4,608 long. So let SPLITS workgroups share it, each a run of SPLIT_SLABS
// slabs, and let a second kernel (add_parts.wgsl) add what they found.
//
// Why their order is fixed. Float addition is not associative: in float32
//
//   (1 + 1e8) - 1e8 = 0      1 + (1e8 - 1e8) = 1
//
// Workgroups that added their part to y as they end (an atomic add) would add in the order in which
// they end, which is another in every run: other bits, other losses, and a bug that can't be found
// again. Here parts are added by number. The same numbers give the same bits, every time.
//
// Layouts: as in rung 6, but the result is [SPLITS, N, H, W, K / 4].
// Mapping: workgroup -> (channel tile, pixel tile, part).
// Cost: as in rung 6, and 4 (2 SPLITS + 1) N H W K bytes to write the parts, read them and write y.
//
// Gains over rung 6: SPLITS times the workgroups, where these are too few; otherwise it only costs. It
// is the first rung whose sums are in another order, so its bits differ from those below by rounding:
// as a rule for the better, since each part is a shorter sum.

const BATCH: u32 = 2u;
const HEIGHT: u32 = 8u;
const WIDTH: u32 = 8u;
const IN_CHANNELS: u32 = 16u; // whole slabs
const OUT_CHANNELS: u32 = 24u;
const SPLITS: u32 = 2u;
const SPLIT_SLABS: u32 = 9u;

const ROWS: u32 = 8u; // of a thread's sums: pixels
const COLUMNS: u32 = 8u; // of a thread's sums: output channels
const THREADS_X: u32 = 8u; // along channels
const THREADS_Y: u32 = 8u; // along pixels
const DEPTH: u32 = 8u; // of a slab: input channels of one tap
const PAD: u32 = 1u; // vec4s at the end of a row of weights, which nobody uses

const COLUMN_VECTORS: u32 = COLUMNS / 4u;
const DEPTH_VECTORS: u32 = DEPTH / 4u;
const THREADS: u32 = THREADS_X * THREADS_Y;
const IN_VECTORS: u32 = IN_CHANNELS / 4u;
const OUT_VECTORS: u32 = OUT_CHANNELS / 4u;
const PIXELS: u32 = BATCH * HEIGHT * WIDTH;
const TILE_PIXELS: u32 = THREADS_Y * ROWS;
const TILE_VECTORS: u32 = THREADS_X * COLUMN_VECTORS;
const CHANNEL_TILES: u32 = (OUT_VECTORS + TILE_VECTORS - 1u) / TILE_VECTORS;
const PIXEL_TILES: u32 = (PIXELS + TILE_PIXELS - 1u) / TILE_PIXELS;
const TAP_SLABS: u32 = IN_CHANNELS / DEPTH;
const SLABS: u32 = 9u * TAP_SLABS;
const PIXEL_LOADS: u32 = TILE_PIXELS * DEPTH_VECTORS / THREADS;
const WEIGHT_LOADS: u32 = DEPTH * TILE_VECTORS / THREADS;
const PIXEL_ROW: u32 = ROWS * DEPTH_VECTORS;
const WEIGHT_ROW: u32 = DEPTH * COLUMN_VECTORS + PAD;

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
@group(0) @binding(2) var<storage, read_write> parts: array<vec4<f32>>;
// end operands

// A value that is under way, and whether it counts.
struct Loaded {
  value: vec4<f32>,
  inside: bool,
}

// The vec4 numbered d of a pixel in a slab; what lies outside of the image is zero.
fn fetch_pixel(slab: u32, place: Place, d: u32) -> Loaded {
  let r = slab / TAP_SLABS / 3u;
  let s = slab / TAP_SLABS % 3u;
  let inside =
    place.p + r - 1u < HEIGHT && place.q + s - 1u < WIDTH && place.pixel < PIXELS;
  let source = (place.pixel + r * WIDTH + s - WIDTH - 1u) * IN_VECTORS;
  return Loaded(load_x(source + slab % TAP_SLABS * DEPTH_VECTORS + d), inside);
}

// The n-th vec4 of a slab's weights: TILE_VECTORS for each input channel. Past the last output
// channel it is another's weight, in a sum that nobody stores.
fn fetch_weight(slab: u32, vector: u32, n: u32) -> vec4<f32> {
  return load_w((slab * DEPTH + n / TILE_VECTORS) * OUT_VECTORS + vector + n % TILE_VECTORS);
}

var<workgroup> pixel_slab: array<array<array<vec4<f32>, PIXEL_ROW>, THREADS_Y>, 2>;
var<workgroup> weight_slab: array<array<array<vec4<f32>, WEIGHT_ROW>, THREADS_X>, 2>;

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
  let first = number / CHANNEL_TILES % PIXEL_TILES * TILE_PIXELS;
  let part = number / (CHANNEL_TILES * PIXEL_TILES);
  if (part >= SPLITS) {
    return;
  }
  let thread_x = local % THREADS_X;
  let thread_y = local / THREADS_X;
  let begin = part * SPLIT_SLABS;
  let end = min(begin + SPLIT_SLABS, SLABS);
  // @registers
  var place: array<Place, PIXEL_LOADS>;
  // @unroll
  for (var l = 0u; l < PIXEL_LOADS; l++) {
    place[l] = place_of(first + (l * THREADS + local) / DEPTH_VECTORS);
  }
  // @registers
  var sum: array<vec4<f32>, ROWS * COLUMN_VECTORS>;
  // @registers
  var pixel_held: array<Loaded, PIXEL_LOADS>;
  // @registers
  var weight_held: array<vec4<f32>, WEIGHT_LOADS>;
  // @unroll
  for (var l = 0u; l < PIXEL_LOADS; l++) {
    pixel_held[l] = fetch_pixel(begin, place[l], local % DEPTH_VECTORS);
  }
  // @unroll
  for (var l = 0u; l < WEIGHT_LOADS; l++) {
    weight_held[l] = fetch_weight(begin, vector, l * THREADS + local);
  }
  for (var slab = begin; slab < end; slab++) {
    let buffer = slab % 2u;
    // @unroll
    for (var l = 0u; l < PIXEL_LOADS; l++) {
      let n = l * THREADS + local;
      pixel_slab[buffer][n / PIXEL_ROW][n % PIXEL_ROW] =
        select(vec4<f32>(), pixel_held[l].value, pixel_held[l].inside);
    }
    // @unroll
    for (var l = 0u; l < WEIGHT_LOADS; l++) {
      let n = l * THREADS + local;
      let column = n % THREADS_X;
      let at = n / TILE_VECTORS * COLUMN_VECTORS + n % TILE_VECTORS / THREADS_X;
      weight_slab[buffer][column][at] = weight_held[l];
    }
    workgroupBarrier();

    // The next slab sets out. After the last it is fetched for nothing, which costs less than a
    // branch: compilers move loads out of the way of a branch, and wait for them after it.
    // @unroll
    for (var l = 0u; l < PIXEL_LOADS; l++) {
      pixel_held[l] = fetch_pixel(slab + 1u, place[l], local % DEPTH_VECTORS);
    }
    // @unroll
    for (var l = 0u; l < WEIGHT_LOADS; l++) {
      weight_held[l] = fetch_weight(slab + 1u, vector, l * THREADS + local);
    }

    // @unroll
    for (var d = 0u; d < DEPTH_VECTORS; d++) {
      // @registers
      var pixel: array<vec4<f32>, ROWS>;
      // @unroll
      for (var i = 0u; i < ROWS; i++) {
        pixel[i] = pixel_slab[buffer][thread_y][i * DEPTH_VECTORS + d];
      }
      // @unroll
      for (var c = 0u; c < 4u; c++) {
        // @unroll
        for (var v = 0u; v < COLUMN_VECTORS; v++) {
          let weight = weight_slab[buffer][thread_x][(d * 4u + c) * COLUMN_VECTORS + v];
          // @unroll
          for (var i = 0u; i < ROWS; i++) {
            sum[i * COLUMN_VECTORS + v] =
              fma(vec4<f32>(pixel[i][c]), weight, sum[i * COLUMN_VECTORS + v]);
          }
        }
      }
    }
  }
  // @unroll
  for (var i = 0u; i < ROWS; i++) {
    // @unroll
    for (var v = 0u; v < COLUMN_VECTORS; v++) {
      let at = first + thread_y * ROWS + i;
      let k = vector + v * THREADS_X + thread_x;
      if (at < PIXELS && k < OUT_VECTORS) {
        parts[(part * PIXELS + at) * OUT_VECTORS + k] = sum[i * COLUMN_VECTORS + v];
      }
    }
  }
}
