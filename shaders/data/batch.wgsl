// y[b,h,w,c] = (image[indices[b]] at (h + dy, w + dx), mirrored or not) / 255 : a batch of images
// from bytes, with the usual augmentation: a random crop of the image padded by CROP zeros, then a
// horizontal flip with probability 1/2. A pixel of the padding is byte 0, as in torchvision, which
// crops before it normalises. Normalisation is pointwise and fused by the plan.
//
// Layout   bytes: N images of H W C bytes, four to a u32, little-endian; indices [B] (u32);
//          draws [B, 3] uniform in [0, 1): down, right, flip; y [B, H, W, C]
// Threads  one invocation an element of y
// Cost     one byte read and 4 written an element

const COUNT: u32 = 98304u; // elements of y
const HEIGHT: u32 = 32u;
const WIDTH: u32 = 32u;
const CHANNELS: u32 = 3u;
const CROP: u32 = 4u; // zeros around the image from which the crop is taken
const FLIP: bool = true;

@group(0) @binding(0) var<storage, read> bytes: array<u32>;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read> draws: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 64u + lane;
  if (i >= COUNT) {
    return;
  }
  let c = i % CHANNELS;
  let w = i / CHANNELS % WIDTH;
  let h = i / (CHANNELS * WIDTH) % HEIGHT;
  let b = i / (CHANNELS * WIDTH * HEIGHT);

  // A crop starts at one of 2 CROP + 1 places each way; -CROP .. CROP around the image's corner.
  let places = f32(2u * CROP + 1u);
  let down = i32(draws[3u * b] * places) - i32(CROP);
  let right = i32(draws[3u * b + 1u] * places) - i32(CROP);
  let flipped = FLIP && draws[3u * b + 2u] < 0.5;

  let row = i32(h) + down;
  let column = i32(select(w, WIDTH - 1u - w, flipped)) + right;
  var value = 0.0;
  if (row >= 0 && row < i32(HEIGHT) && column >= 0 && column < i32(WIDTH)) {
    let pixel = (indices[b] * HEIGHT + u32(row)) * WIDTH + u32(column);
    let at = pixel * CHANNELS + c;
    value = f32((bytes[at / 4u] >> (8u * (at % 4u))) & 0xffu);
  }
  y[i] = value / 255.0;
}
