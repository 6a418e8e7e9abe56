// Winograd's convolution, first part: tiles of images as values at points.
//
// A convolution of polynomials is a product of values: Winograd's (Toom and Cook's) way to compute a
// 3 x 3 convolution evaluates tiles of the image and the filters at POINTS x POINTS points,
// multiplies value by value, summed over channels, and interpolates (from_points.wgsl). In two
// dimensions it does so along the columns, then along the rows. With six points along an axis a tile
// of 4 x 4 results takes 36 multiplications a channel, not 144: F(4x4, 3x3). Which points, which
// matrices, what is lost in float32: engine/gpu/kernels/winograd_points.ts.
//
//   tiles[t,i,j,c] = sum over a,b of L[i,a] L[j,b] image[n, STEP u - PADDING_H + a, STEP v - PADDING_W + b, c]
//
// where t = (n, u, v) is a tile, and L the map of the slot `line`, from EXTENT values to POINTS.
// Three things are taken for images: activations; the gradient that arrives at the results; and
// the filters, which are an image of 3 x 3 pixels for each input channel, in another order of axes.
//
// Layouts: image, vec4s of channels at pixels that are IMAGE_STEP, ROW_STEP and COLUMN_STEP apart
// (activations NHWC: HEIGHT WIDTH, WIDTH, 1; weights [3, 3, C, K]: 1, 3 C, C, or backwards from the
// last tap for the input gradient), zeros outside; tiles [t, POINTS, POINTS, CHANNELS], float32.
// So the values at all points are channels of one pixel, and the products at the points are a grouped
// 1 x 1 convolution, a group for each point, by whatever kernels the adapter has for that.
//
// Mapping: thread -> (tile, vec4 of channels), channels first: neighbours load and store neighbours.
// Cost: a tile's vec4 takes EXTENT^2 loads, POINTS^2 stores and EXTENT + POINTS maps.

const IMAGES: u32 = 8u;
const HEIGHT: u32 = 32u;
const WIDTH: u32 = 32u;
const CHANNELS: u32 = 64u;
const TILE_ROWS: u32 = 8u;
const TILE_COLUMNS: u32 = 8u;
const STEP: i32 = 4i;
const PADDING_H: i32 = 1i;
const PADDING_W: i32 = 1i;
const EXTENT: u32 = 6u;
const POINTS: u32 = 6u;
// In pixels: the place of the first one, and from one image, row and column to the next.
const ORIGIN: i32 = 0i;
const IMAGE_STEP: i32 = 1024i;
const ROW_STEP: i32 = 32i;
const COLUMN_STEP: i32 = 1i;

const VECTORS: u32 = CHANNELS / 4u;

alias Line = array<vec4<f32>, EXTENT>;
alias Values = array<vec4<f32>, POINTS>;

// begin operands
@group(0) @binding(0) var<storage, read> image: array<vec4<f32>>;
fn load_image(i: u32) -> vec4<f32> {
  return image[i];
}
@group(0) @binding(1) var<storage, read_write> tiles: array<vec4<f32>>;
// end operands

// An image at the points 0, 5/8, -5/8, 3/2, -3/2 and infinity.
// begin line
fn at_points(x: Line) -> Values {
  let even_1 = -2.25f * x[2] + x[4];
  let odd_1 = -1.40625f * x[1] + 0.625f * x[3];
  let even_3 = -0.390625f * x[2] + x[4];
  let odd_3 = -0.5859375f * x[1] + 1.5f * x[3];
  return Values(
    0.87890625f * x[0] - 2.640625f * x[2] + x[4],
    even_1 + odd_1,
    even_1 - odd_1,
    even_3 + odd_3,
    even_3 - odd_3,
    0.87890625f * x[1] - 2.640625f * x[3] + x[5]);
}
// end line

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
  let vector = thread % VECTORS;
  let tile = thread / VECTORS;
  if (tile >= IMAGES * TILE_ROWS * TILE_COLUMNS) {
    return;
  }
  let top = i32(tile / TILE_COLUMNS % TILE_ROWS) * STEP - PADDING_H;
  let left = i32(tile % TILE_COLUMNS) * STEP - PADDING_W;
  let number = i32(tile / (TILE_COLUMNS * TILE_ROWS));
  let first = ORIGIN + number * IMAGE_STEP + top * ROW_STEP + left * COLUMN_STEP;

  // Points along the columns, pixels along the rows.
  var between: array<vec4<f32>, POINTS * EXTENT>;
  // @unroll
  for (var b = 0u; b < EXTENT; b++) {
    var line: Line;
    // @unroll
    for (var a = 0u; a < EXTENT; a++) {
      let inside = u32(top + i32(a)) < HEIGHT && u32(left + i32(b)) < WIDTH;
      let pixel = u32(first + i32(a) * ROW_STEP + i32(b) * COLUMN_STEP);
      line[a] = select(vec4<f32>(), load_image(pixel * VECTORS + vector), inside);
    }
    let values = at_points(line);
    // @unroll
    for (var i = 0u; i < POINTS; i++) {
      between[i * EXTENT + b] = values[i];
    }
  }
  // @unroll
  for (var i = 0u; i < POINTS; i++) {
    var line: Line;
    // @unroll
    for (var b = 0u; b < EXTENT; b++) {
      line[b] = between[i * EXTENT + b];
    }
    let values = at_points(line);
    // @unroll
    for (var j = 0u; j < POINTS; j++) {
      tiles[((tile * POINTS + i) * POINTS + j) * VECTORS + vector] = values[j];
    }
  }
}
