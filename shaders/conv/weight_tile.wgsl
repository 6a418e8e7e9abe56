// The weight gradient of a convolution, as a register tile.
//
//   dw[r,s,c,k] = sum over n,p,q of x[n, p*stride - padding + r*dilation, ..., c] dy[n,p,q,k]
//
// Layouts: x and dy NHWC, parts [SPLITS, R, S, C / GROUPS, K], float32; one vec4 is four neighbouring
// channels. Each split sums some of the N P output rows; adding the splits in order gives dw.
//
// The idea. A thread holds TAPS x 4 x (4 VECTORS) sums in registers: some neighbouring taps of one
// kernel row, four input channels, a run of output channels. It walks along the output rows and for
// each run of PIXELS loads the input pixels once for all its taps; each product is a component of x
// times a vector of dy.
//
// Lanes. The LANES threads of one subgroup take different taps and input channels but the same
// output channels, so they need the same dy: each lane loads every LANES-th vec4 and a broadcast
// hands it to the others. With LANES = 1 nothing is shared.
//
// Groups. A thread's output channels lie in one group and meet that group's input channels only.
//
// Mapping: unit = thread / LANES -> (channel tile, bundle, split), lane -> (input vector, tap chunk,
// kernel row) of the bundle.
// Cost: 2 N P Q K R S C / GROUPS operations; x, dy and SPLITS times dw move at least once.
// Measured on lavapipe: sums that take one pixel after another ran at 21 GFLOP/s, a run of pixels for
// one sum at 29, one loop in the place of one over rows and one over columns at 36.
// subgroupBroadcast needs the device feature "subgroups"; naga wants no enable line.

const BATCH: u32 = 8u;
const IN_HEIGHT: u32 = 32u;
const IN_WIDTH: u32 = 32u;
const IN_CHANNELS: u32 = 64u;
const OUT_HEIGHT: u32 = 32u;
const OUT_WIDTH: u32 = 32u;
const OUT_CHANNELS: u32 = 64u;
const GROUPS: u32 = 1u;
const KERNEL_HEIGHT: u32 = 3u;
const KERNEL_WIDTH: u32 = 3u;
const STRIDE_H: u32 = 1u;
const STRIDE_W: u32 = 1u;
const PADDING_H: i32 = 1i;
const PADDING_W: i32 = 1i;
const DILATION_H: u32 = 1u;
const DILATION_W: u32 = 1u;
const SPLITS: u32 = 4u;
// The tile.
const TAPS: u32 = 3u;
const PIXELS: u32 = 8u;
const VECTORS: u32 = 4u;
const LANES: u32 = 8u;
const WORKGROUP: u32 = 8u;

const IN_VECTORS: u32 = (IN_CHANNELS + 3u) / 4u;
const OUT_VECTORS: u32 = OUT_CHANNELS / 4u;
const GROUP_IN: u32 = (IN_VECTORS + GROUPS - 1u) / GROUPS;
const GROUP_OUT: u32 = OUT_VECTORS / GROUPS;
const SPAN: u32 = (PIXELS - 1u) * STRIDE_W + (TAPS - 1u) * DILATION_W + 1u;
const HELD: u32 = (PIXELS * VECTORS + LANES - 1u) / LANES;
const GROUP_TILES: u32 = (GROUP_OUT + VECTORS - 1u) / VECTORS;
const CHANNEL_TILES: u32 = GROUPS * GROUP_TILES;
const CHUNKS: u32 = (KERNEL_WIDTH + TAPS - 1u) / TAPS;
const TILES: u32 = KERNEL_HEIGHT * CHUNKS * GROUP_IN;
const BUNDLES: u32 = (TILES + LANES - 1u) / LANES;
const COLUMN_TILES: u32 = (OUT_WIDTH + PIXELS - 1u) / PIXELS;
const RUNS: u32 = BATCH * OUT_HEIGHT * COLUMN_TILES;
const SPLIT_RUNS: u32 = (RUNS + SPLITS - 1u) / SPLITS;

// "own" is what each lane loads for itself (x), "joint" what the lanes share (dy).
// begin operands
@group(0) @binding(0) var<storage, read> own: array<vec4<f32>>;
fn load_own(i: u32) -> vec4<f32> {
  return own[i];
}
@group(0) @binding(1) var<storage, read> joint: array<vec4<f32>>;
fn load_joint(i: u32) -> vec4<f32> {
  return joint[i];
}
@group(0) @binding(2) var<storage, read_write> parts: array<vec4<f32>>;
// end operands

// begin own
fn own_at(pixel: u32, vector: u32) -> vec4<f32> {
  return load_own(pixel * IN_VECTORS + vector);
}
// end own

// begin lanes
// Where LANES is 1, the text of lanes_alone.wgsl stands here.
// end lanes

// begin workgroup_number
// The number of a workgroup: a dispatch of more than fit one dimension goes on in the second.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// end workgroup_number

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  // begin lane
  @builtin(subgroup_invocation_id) lane: u32,
  // end lane
) {
  // A workgroup is one subgroup where lanes share.
  let thread = workgroup_number(workgroup, workgroups) * WORKGROUP + local;
  let unit = thread / LANES;
  let group_tile = unit % CHANNEL_TILES;
  let group = group_tile / GROUP_TILES;
  let output = group * GROUP_OUT + group_tile % GROUP_TILES * VECTORS;
  let index = unit / CHANNEL_TILES % BUNDLES * LANES + lane;
  let split = unit / (CHANNEL_TILES * BUNDLES);
  // Lanes past the end do the last tile again, so that all lanes stay together, and don't store.
  let tile = min(index, TILES - 1u);
  let input = tile % GROUP_IN;
  let chunk = tile / GROUP_IN % CHUNKS * TAPS;
  let r = tile / (GROUP_IN * CHUNKS);

  // @registers
  var sum: array<vec4<f32>, TAPS * 4 * VECTORS>;
  var run = split * SPLIT_RUNS;
  let end = min(run + SPLIT_RUNS, RUNS);
  loop {
    let column = run % COLUMN_TILES * PIXELS;
    let row = run / COLUMN_TILES;
    let h = i32(row % OUT_HEIGHT * STRIDE_H + r * DILATION_H) - PADDING_H;
    let row_inside = h >= 0 && h < i32(IN_HEIGHT);
    let line = (i32(row / OUT_HEIGHT * IN_HEIGHT) + h) * i32(IN_WIDTH);
    // @registers
    var held: array<vec4<f32>, HELD>;
    // @unroll
    for (var j = 0u; j < HELD; j++) {
      let q = column + (j * LANES + lane) / VECTORS;
      let value =
        load_joint((row * OUT_WIDTH + q) * OUT_VECTORS + output + (j * LANES + lane) % VECTORS);
      held[j] = select(vec4<f32>(), value, q < OUT_WIDTH);
    }
    let left = i32(column * STRIDE_W + chunk * DILATION_W) - PADDING_W;
    // @registers
    var pixel: array<vec4<f32>, SPAN>;
    // @unroll
    for (var i = 0u; i < SPAN; i++) {
      let w = left + i32(i);
      let inside = row_inside & (w >= 0) & (w < i32(IN_WIDTH));
      pixel[i] = select(vec4<f32>(), own_at(u32(line + w), group * GROUP_IN + input), inside);
    }
    // One sum takes all pixels of the run before the next has its turn: it stays in a register.
    // @unroll
    for (var v = 0u; v < VECTORS; v++) {
      // @registers
      var gradient: array<vec4<f32>, PIXELS>;
      // @unroll
      for (var i = 0u; i < PIXELS; i++) {
        gradient[i] =
          subgroupBroadcast(held[(i * VECTORS + v) / LANES], (i * VECTORS + v) % LANES);
      }
      // @unroll
      for (var s = 0u; s < TAPS; s++) {
        // @unroll
        for (var c = 0u; c < 4u; c++) {
          // @unroll
          for (var i = 0u; i < PIXELS; i++) {
            sum[(s * 4 + c) * VECTORS + v] +=
              pixel[i * STRIDE_W + s * DILATION_W][c] * gradient[i];
          }
        }
      }
    }
    // One loop for rows and columns, its test at the end (no split is empty): lavapipe runs the
    // iteration that breaks at the top in full, and copies all sums once a loop and iteration.
    continuing {
      run += 1u;
      break if run >= end;
    }
  }

  if (index >= TILES || split >= SPLITS) {
    return;
  }
  // @unroll
  for (var s = 0u; s < TAPS; s++) {
    // @unroll
    for (var i = 0u; i < 4u; i++) {
      if (chunk + s < KERNEL_WIDTH && 4u * input + i < IN_CHANNELS / GROUPS) {
        let tap = (split * KERNEL_HEIGHT + r) * KERNEL_WIDTH + chunk + s;
        let at = (tap * (IN_CHANNELS / GROUPS) + 4u * input + i) * OUT_VECTORS + output;
        // @unroll
        for (var v = 0u; v < VECTORS; v++) {
          if (output + v < (group + 1u) * GROUP_OUT) {
            parts[at + v] = sum[(s * 4 + i) * VECTORS + v];
          }
        }
      }
    }
  }
}
