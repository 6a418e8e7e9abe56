// Winograd's convolution, last part: images from values at points (to_points.wgsl tells the idea).
//
//   image[n, STEP u + a, STEP v + b, c] = sum over i,j of L[a,i] L[b,j] sum over s of tiles[s,t,i,j,c]
//
// where t = (n, u, v) is a tile, s one of the SPLITS parts of the products' sums, added in order, and L
// the map of the slot `line`, from POINTS values to STEP. What reaches over the image's edge is
// not stored. The image is activations, the result of a convolution or of its input gradient; or
// filters, their gradient, an image of 3 x 3 pixels for each input channel.
//
// Layouts: tiles [SPLITS, t, POINTS, POINTS, CHANNELS]; image, vec4s of channels at pixels that are
// IMAGE_STEP, ROW_STEP and COLUMN_STEP apart, as in to_points.wgsl; float32.
// Mapping: thread -> (tile, vec4 of channels), channels first: neighbours load and store neighbours.
// Cost: a tile's vec4 takes SPLITS POINTS^2 loads, STEP^2 stores and POINTS + STEP maps.

const IMAGES: u32 = 8u;
const HEIGHT: u32 = 32u;
const WIDTH: u32 = 32u;
const CHANNELS: u32 = 64u;
const TILE_ROWS: u32 = 8u;
const TILE_COLUMNS: u32 = 8u;
const SPLITS: u32 = 1u;
const STEP: u32 = 4u;
const POINTS: u32 = 6u;
// In pixels: from one image, row and column to the next.
const IMAGE_STEP: u32 = 1024u;
const ROW_STEP: u32 = 32u;
const COLUMN_STEP: u32 = 1u;

const VECTORS: u32 = CHANNELS / 4u;
const TILES: u32 = IMAGES * TILE_ROWS * TILE_COLUMNS;

alias Values = array<vec4<f32>, POINTS>;
alias Line = array<vec4<f32>, STEP>;

// begin operands
@group(0) @binding(0) var<storage, read> tiles: array<vec4<f32>>;
fn load_tiles(i: u32) -> vec4<f32> {
  return tiles[i];
}
@group(0) @binding(1) var<storage, read_write> result: array<vec4<f32>>;
// end operands

// Results from values at 0, 5/8, -5/8, 3/2, -3/2 and infinity.
// begin line
fn from_points(x: Values) -> Line {
  let sum_1 = x[1] + x[2];
  let difference_1 = x[1] - x[2];
  let sum_3 = x[3] + x[4];
  let difference_3 = x[3] - x[4];
  return Line(
    x[0] + sum_1 + sum_3,
    0.625f * difference_1 + 1.5f * difference_3,
    0.390625f * sum_1 + 2.25f * sum_3,
    0.244140625f * difference_1 + 3.375f * difference_3 + x[5]);
}
// end line

// begin result
// What all pixels of an output vector share.
struct Column {
  vector: u32,
}

fn load_column(vector: u32) -> Column {
  return Column(vector);
}

fn store(pixel: u32, column: Column, value: vec4<f32>) {
  result[pixel * VECTORS + column.vector] = value;
}
// end result

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
  if (tile >= TILES) {
    return;
  }
  // @registers
  var held: array<vec4<f32>, POINTS * POINTS>;
  // @unroll
  for (var i = 0u; i < POINTS * POINTS; i++) {
    held[i] = load_tiles((tile * POINTS * POINTS + i) * VECTORS + vector);
  }
  for (var split = 1u; split < SPLITS; split++) {
    // @unroll
    for (var i = 0u; i < POINTS * POINTS; i++) {
      held[i] += load_tiles(((split * TILES + tile) * POINTS * POINTS + i) * VECTORS + vector);
    }
  }

  // Results along the columns, points along the rows.
  var between: array<vec4<f32>, STEP * POINTS>;
  // @unroll
  for (var j = 0u; j < POINTS; j++) {
    var values: Values;
    // @unroll
    for (var i = 0u; i < POINTS; i++) {
      values[i] = held[i * POINTS + j];
    }
    let line = from_points(values);
    // @unroll
    for (var a = 0u; a < STEP; a++) {
      between[a * POINTS + j] = line[a];
    }
  }

  let top = tile / TILE_COLUMNS % TILE_ROWS * STEP;
  let left = tile % TILE_COLUMNS * STEP;
  let first = tile / (TILE_COLUMNS * TILE_ROWS) * IMAGE_STEP;
  let column = load_column(vector);
  // @unroll
  for (var a = 0u; a < STEP; a++) {
    var values: Values;
    // @unroll
    for (var j = 0u; j < POINTS; j++) {
      values[j] = between[a * POINTS + j];
    }
    let line = from_points(values);
    // @unroll
    for (var b = 0u; b < STEP; b++) {
      if (top + a < HEIGHT && left + b < WIDTH) {
        store(first + (top + a) * ROW_STEP + (left + b) * COLUMN_STEP, column, line[b]);
      }
    }
  }
}
