// y[b,h,w,c] = (resized image indices[b] at (h + dy, w + dx), mirrored or not) / 255 : a batch of
// images from bytes, resized, with the usual augmentation: a random crop of the image padded by
// CROP zeros, then flips, each with probability 1/2. A pixel of the padding is byte 0, as in
// torchvision, which crops before it normalises. Normalisation is pointwise and fused by the plan.
//
//     resized[h,w] = round(sum_r down[h,r] round(sum_t right[w,t] image[r,t]))
//
// rounds to bytes after either pass, as Pillow does, and with its whole-number weights, in units of
// 2^-FRACTION: the bytes are the same on every device. An index of NONE is an image of ones: of a
// mask, where everything is figure.
//
// Layout   bytes: N images of FROM_HEIGHT FROM_WIDTH C bytes, four to a u32, little-endian;
//          indices [B] (u32); draws [B, 3] uniform in [0, 1): down, right, flips; down [H, 1 + DOWN]
//          and right [W, 1 + RIGHT] (u32): for a row or column the first that counts, and the
//          weights from there on; y [B, H, W, C]
// Threads  one invocation an element of y
// Cost     DOWN RIGHT bytes read and 4 written an element. An image that keeps its size is read as it
//          is, without tables, and where nothing is random nothing is drawn: else half of a small
//          network's step would be this on a CPU.
// Colours  REVERSED puts out the last channel first: blue, green, red

const COUNT: u32 = 98304u; // elements of y
const HEIGHT: u32 = 32u;
const WIDTH: u32 = 32u;
const CHANNELS: u32 = 3u;
const FROM_HEIGHT: u32 = 28u;
const FROM_WIDTH: u32 = 28u;
const DOWN: u32 = 2u; // rows that a row is made from
const RIGHT: u32 = 2u;
const CROP: u32 = 4u; // zeros around the image from which the crop is taken
const FLIP: bool = true;
const FLIP_VERTICAL: bool = false;
const REVERSED: bool = false;
const NONE: u32 = 0xffffffffu;
const FRACTION: u32 = 22u;
const HALF: u32 = 1u << (FRACTION - 1u);

// begin operands
@group(0) @binding(0) var<storage, read> bytes: array<u32>;
fn load_bytes(i: u32) -> u32 {
  return bytes[i];
}
@group(0) @binding(1) var<storage, read> indices: array<u32>;
fn load_indices(i: u32) -> u32 {
  return indices[i];
}
@group(0) @binding(2) var<storage, read> draws: array<f32>;
fn load_draws(i: u32) -> f32 {
  return draws[i];
}
@group(0) @binding(3) var<storage, read> down: array<u32>;
fn load_down(i: u32) -> u32 {
  return down[i];
}
@group(0) @binding(4) var<storage, read> right: array<u32>;
fn load_right(i: u32) -> u32 {
  return right[i];
}
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
// end operands

// A byte of the image that begins at pixel `first`.
fn byteAt(first: u32, row: u32, column: u32, channel: u32) -> u32 {
  let at = (first + row * FROM_WIDTH + column) * CHANNELS + channel;
  return (load_bytes(at / 4u) >> (8u * (at % 4u))) & 0xffu;
}

// A byte of the resized image.
fn resized(image: u32, row: u32, column: u32, channel: u32) -> u32 {
  let first = image * FROM_HEIGHT * FROM_WIDTH;
  if (HEIGHT == FROM_HEIGHT && WIDTH == FROM_WIDTH) {
    return byteAt(first, row, column, channel);
  }
  let fromRow = row * (1u + DOWN);
  let fromColumn = column * (1u + RIGHT);
  let top = load_down(fromRow);
  let left = load_right(fromColumn);
  var sum = HALF;
  for (var r = 0u; r < DOWN; r++) {
    // Past the edge the weights are 0.
    let sourceRow = min(top + r, FROM_HEIGHT - 1u);
    var line = HALF;
    for (var t = 0u; t < RIGHT; t++) {
      let sourceColumn = min(left + t, FROM_WIDTH - 1u);
      line += load_right(fromColumn + 1u + t) * byteAt(first, sourceRow, sourceColumn, channel);
    }
    sum += load_down(fromRow + 1u + r) * (line >> FRACTION);
  }
  return sum >> FRACTION;
}

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
  let i = workgroup_number(workgroup, workgroups) * 64u + local;
  if (i >= COUNT) {
    return;
  }
  let c = i % CHANNELS;
  let w = i / CHANNELS % WIDTH;
  let h = i / (CHANNELS * WIDTH) % HEIGHT;
  let b = i / (CHANNELS * WIDTH * HEIGHT);
  if (load_indices(b) == NONE) {
    y[i] = 1.0;
    return;
  }

  var row = i32(h);
  var column = i32(w);
  if (FLIP || FLIP_VERTICAL) {
    // The first binary digit of a draw and its second are independent.
    let flips = load_draws(3u * b + 2u);
    let mirrored = FLIP && flips < 0.5;
    let upended = FLIP_VERTICAL && fract(2.0 * flips) < 0.5;
    row = select(row, i32(HEIGHT) - 1 - row, upended);
    column = select(column, i32(WIDTH) - 1 - column, mirrored);
  }
  if (CROP > 0u) {
    // A crop starts at one of 2 CROP + 1 places each way; -CROP .. CROP around the image's corner.
    let places = f32(2u * CROP + 1u);
    row += i32(load_draws(3u * b) * places) - i32(CROP);
    column += i32(load_draws(3u * b + 1u) * places) - i32(CROP);
  }
  var value = 0.0;
  if (row >= 0 && row < i32(HEIGHT) && column >= 0 && column < i32(WIDTH)) {
    let channel = select(c, CHANNELS - 1u - c, REVERSED);
    value = f32(resized(load_indices(b), u32(row), u32(column), channel));
  }
  y[i] = value / 255.0;
}
