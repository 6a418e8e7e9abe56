// The ladder of a convolution kernel, rung 5: load the next slab while this one is multiplied.
//
//   y[n,p,q,k] = sum over r,s,c of x[n, p + r - 1, q + s - 1, c] w[r,s,c,k]      r, s = 0, 1, 2
//
// The idea. In rung 4 all threads of a workgroup wait for memory, then all multiply: what one part of
// the processor does, another waits for. Here a slab sets out to registers before the slab at hand
// is multiplied, and is stored to a second half of workgroup memory when that is done.
//
//   rung 4    load 0 .....  store 0 | multiply 0 | load 1 .....  store 1 | multiply 1 |
//   rung 5    load 0 ..... store 0 | load 1  multiply 0  store 1 | load 2  multiply 1  store 2 |
//                                    '. under way ....'
//
// A barrier is marked |. One a slab is enough: who stores slab 2 into the half that slab 0 lay in is
// past the barrier of slab 1, and so is everybody else, after multiplying slab 0.
//
// Layouts, mapping: as in rung 4. Workgroup memory twice: 8 KiB.
// Cost: as in rung 4, and 16 registers a thread for what is under way.
//
// Gains over rung 4: memory's time (400 to 800 cycles) disappears behind a slab's 512 multiply-adds a
// thread, and half of the barriers. Other workgroups on the same processor hide it too; so the gain
// is large where few of them fit (registers: rung 3) and small where many do.
//
// What failed: a select between the load and the multiply-adds, to put zeros in the place of padding.
// A value that is used has to have arrived, so the compiler waits for memory right there. Hence the
// struct Loaded: the zero is put in place when the value is stored.

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
  // @registers
  var pixel_held: array<Loaded, PIXEL_LOADS>;
  // @registers
  var weight_held: array<vec4<f32>, WEIGHT_LOADS>;
  // @unroll
  for (var l = 0u; l < PIXEL_LOADS; l++) {
    pixel_held[l] = fetch_pixel(0u, place[l], local % DEPTH_VECTORS);
  }
  // @unroll
  for (var l = 0u; l < WEIGHT_LOADS; l++) {
    weight_held[l] = fetch_weight(0u, vector, l * THREADS + local);
  }
  for (var slab = 0u; slab < SLABS; slab++) {
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
        y[at * OUT_VECTORS + k] = sum[i * COLUMN_VECTORS + v];
      }
    }
  }
}
